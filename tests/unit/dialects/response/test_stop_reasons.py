"""Stop reasons in the words of each dialect."""

from __future__ import annotations

import pytest

from octoroute.dialects.response.stop_reasons import (
    FROM_ANTHROPIC,
    FROM_OPENAI,
    TO_ANTHROPIC,
    TO_OPENAI,
    from_gemini,
    resolve_reason,
)
from octoroute.domain.events import FinishReason


def test_every_reason_has_a_word_in_both_directions():
    assert set(TO_OPENAI) == set(TO_ANTHROPIC) == set(FinishReason)
    for reason in set(FinishReason):
        assert FROM_ANTHROPIC[TO_ANTHROPIC[reason]] is reason
    for reason in set(FinishReason) - {FinishReason.PAUSE}:
        assert FROM_OPENAI[TO_OPENAI[reason]] is reason


@pytest.mark.parametrize(
    ("reason", "called_tools", "expected"),
    [
        (None, False, FinishReason.STOP),
        (None, True, FinishReason.TOOL_CALLS),
        (FinishReason.STOP, True, FinishReason.TOOL_CALLS),
        (FinishReason.TOOL_CALLS, False, FinishReason.STOP),
        (FinishReason.LENGTH, True, FinishReason.LENGTH),
        (FinishReason.REFUSAL, True, FinishReason.REFUSAL),
    ],
)
def test_tool_calls_decide_between_stop_and_tool_calls(reason, called_tools, expected):
    assert resolve_reason(reason, called_tools=called_tools) is expected


@pytest.mark.parametrize(
    ("word", "reason"),
    [("SAFETY", FinishReason.REFUSAL), ("IMAGE_SAFETY", FinishReason.REFUSAL), ("SOMETHING_NEW", FinishReason.STOP)],
)
def test_words_of_gemini(word, reason):
    assert from_gemini(word) is reason
