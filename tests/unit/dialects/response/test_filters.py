"""Filters around decoders: stop sequences and think tags."""

from __future__ import annotations

import pytest

from octoroute.dialects.anthropic.stream_encoder import AnthropicEncoder
from octoroute.dialects.openai.stream_decoder import OpenAIDecoder
from tests.support.anthropic_stream import check
from tests.support.chunks import DONE, chunk, numbered, tool, tools, usage


def test_p62_surplus_stop_sequences_are_enforced():
    from octoroute.dialects.response.filters import StopSequenceFilter

    encoder = AnthropicEncoder(model="auto", new_id=numbered())
    decoder = StopSequenceFilter(OpenAIDecoder(), ["</end>", "STOP"])
    raw = b"".join(
        encoder.encode(decoder.feed(frame))
        for frame in (chunk(content="Hello </e"), chunk(content="m> and </"), chunk(content="end> never"), chunk(content="x"))
    )
    message = check(raw)
    assert message["content"][0]["text"] == "Hello </em> and "
    assert (message["stop_reason"], message["stop_sequence"]) == ("stop_sequence", "</end>")


@pytest.mark.parametrize(
    ("cuts", "thinking", "text"),
    [
        (["<think>why</think>Hi"], "why", "Hi"),
        (["<th", "ink>w", "hy</t", "hink>", "\n\nHi"], "why", "Hi"),
        (["<think>never closed"], "never closed", None),
        (["No <think>tags</think> here"], None, "No <think>tags</think> here"),
        (["<b>bold</b>"], None, "<b>bold</b>"),
    ],
)
def test_think_tags(cuts, thinking, text):
    from octoroute.dialects.response.filters import ThinkTagFilter

    encoder = AnthropicEncoder(model="auto", new_id=numbered())
    decoder = ThinkTagFilter(OpenAIDecoder())
    raw = b"".join(encoder.encode(decoder.feed(frame)) for frame in [*(chunk(content=cut) for cut in cuts), chunk("stop"), DONE])
    content = check(raw)["content"]
    assert [block["thinking"] for block in content if block["type"] == "thinking"] == ([thinking] if thinking else [])
    assert [block["text"] for block in content if block["type"] == "text"] == ([text] if text else [])


def test_text_that_is_held_back_comes_before_the_tool_call():
    from octoroute.dialects.response.filters import StopSequenceFilter, ThinkTagFilter

    for make in (lambda: ThinkTagFilter(OpenAIDecoder()), lambda: StopSequenceFilter(OpenAIDecoder(), ["<end>"])):
        decoder, encoder = make(), AnthropicEncoder(model="auto", new_id=numbered())
        frames = [chunk(content="<"), tools(tool(0, "c", "f", "{}")), chunk("tool_calls"), usage(), DONE]
        content = check(b"".join(encoder.encode(decoder.feed(frame)) for frame in frames))["content"]
        assert [block["type"] for block in content] == ["text", "tool_use"] and content[0]["text"] == "<"
