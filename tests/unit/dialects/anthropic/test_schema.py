"""The input of a tool call as text."""

from __future__ import annotations

import msgspec
import pytest

from octoroute.dialects.anthropic.schema import Block, input_text


@pytest.mark.parametrize(
    ("raw", "text"),
    [(b"", ""), (b"null", ""), (b" {} ", ""), (b'{ "b" : 1.50, "a": "\\u00e9" }', '{"b":1.50,"a":"\\u00e9"}')],
)
def test_input_is_compact_and_keeps_the_models_order(raw, text):
    assert input_text(Block(type="tool_use", input=msgspec.Raw(raw))) == text


def test_input_that_is_too_deep_keeps_its_bytes():
    raw = b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    assert input_text(Block(type="tool_use", input=msgspec.Raw(raw))) == raw.decode()
