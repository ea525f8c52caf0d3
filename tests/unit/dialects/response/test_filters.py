"""Filters around decoders: stop sequences and think tags."""

from __future__ import annotations

import pytest

from octoroute.dialects.anthropic.stream_encoder import AnthropicEncoder
from octoroute.dialects.openai.stream_decoder import OpenAIDecoder
from octoroute.dialects.response.filters import StopSequenceFilter, ThinkTagFilter
from octoroute.domain.events import Finished, SourceCited, TextDelta
from tests.support.anthropic_stream import check
from tests.support.chunks import DONE, chunk, numbered, tool, tools, usage


class Scripted:
    """A decoder whose feeds return what the test says."""

    def __init__(self, *batches):
        self.batches = list(batches)

    def feed(self, frames):
        return self.batches.pop(0)

    def end(self):
        return ()


def test_p62_surplus_stop_sequences_are_enforced():
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
    encoder = AnthropicEncoder(model="auto", new_id=numbered())
    decoder = ThinkTagFilter(OpenAIDecoder())
    raw = b"".join(encoder.encode(decoder.feed(frame)) for frame in [*(chunk(content=cut) for cut in cuts), chunk("stop"), DONE])
    content = check(raw)["content"]
    assert [block["thinking"] for block in content if block["type"] == "thinking"] == ([thinking] if thinking else [])
    assert [block["text"] for block in content if block["type"] == "text"] == ([text] if text else [])


def test_text_that_is_held_back_comes_before_the_tool_call():
    for make in (lambda: ThinkTagFilter(OpenAIDecoder()), lambda: StopSequenceFilter(OpenAIDecoder(), ["<end>"])):
        decoder, encoder = make(), AnthropicEncoder(model="auto", new_id=numbered())
        frames = [chunk(content="<"), tools(tool(0, "c", "f", "{}")), chunk("tool_calls"), usage(), DONE]
        content = check(b"".join(encoder.encode(decoder.feed(frame)) for frame in frames))["content"]
        assert [block["type"] for block in content] == ["text", "tool_use"] and content[0]["text"] == "<"


def test_citations_count_the_text_that_is_shown():
    inner = Scripted([TextDelta("<think>hm</think>\n\nIt is so."), SourceCited("https://a.org", start=19, end=24)])
    found = ThinkTagFilter(inner).feed(b"")
    text = "".join(event.text for event in found if isinstance(event, TextDelta))
    (cited,) = [event for event in found if isinstance(event, SourceCited)]
    assert text[cited.start : cited.end] == "It is"
    late = ThinkTagFilter(Scripted([TextDelta("<think>hm</think>\n\nIt is so.")], [SourceCited("https://a.org", start=19, end=24)]))
    late.feed(b"")
    assert list(late.feed(b"")) == [cited]
    plain = SourceCited("https://a.org", start=0, end=2)
    assert list(ThinkTagFilter(Scripted([TextDelta("It is"), plain])).feed(b""))[-1] == plain


def test_a_citation_after_a_stop_sequence_comes_before_the_end():
    cited = SourceCited("https://a.org", start=0, end=2)
    found = StopSequenceFilter(Scripted([TextDelta("It is END so."), cited]), ["END"]).feed(b"")
    assert found[-2] == cited
    assert isinstance(found[-1], Finished)
