"""What is read of a response."""

from __future__ import annotations

import pytest

from octoroute.dialects.bedrock.schema import ModelFields, TokenUsage
from octoroute.domain.outcome import Usage


def test_cached_and_written_tokens_are_part_of_the_input():
    counted = TokenUsage(input_tokens=10, output_tokens=5, cache_read_input_tokens=100, cache_write_input_tokens=20)
    assert counted.usage() == Usage(input_tokens=130, output_tokens=5, cached_tokens=100, cache_write_tokens=20)
    assert TokenUsage().usage() == Usage()


@pytest.mark.parametrize(("value", "text"), [("END", "END"), (None, None), (5, None)])
def test_the_stop_sequence_is_a_text_or_none(value, text):
    assert ModelFields(value).stopped_by == text
