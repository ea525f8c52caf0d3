"""Citations of Messages text blocks."""

from __future__ import annotations

import json

import pytest
from anthropic.types import TextCitation
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from octoroute.dialects.anthropic.citations import cut_text, decode_citation, encode_citation
from octoroute.dialects.anthropic.foreign_fields import remove_thinking
from octoroute.dialects.anthropic.response import decode_response, encode_response
from octoroute.dialects.anthropic.stream_decoder import AnthropicDecoder
from octoroute.dialects.anthropic.stream_encoder import AnthropicEncoder
from octoroute.dialects.request.body import RequestBody
from octoroute.domain.events import Finished, FinishReason, SourceCited, TextDelta, ToolCallDelta, ToolCallStarted
from tests.support.anthropic_stream import check
from tests.support.chunks import numbered
from tests.support.messages import named

STOP = Finished(FinishReason.STOP)
PAGE = {"type": "web_search_result_location", "url": "https://a.org", "title": "A", "cited_text": "q", "encrypted_index": "Eo"}
PLACES = [
    {"type": "char_location", "document_index": 1, "document_title": "D", "start_char_index": 3, "end_char_index": 9},
    {"type": "page_location", "document_index": 0, "document_title": None, "start_page_number": 1, "end_page_number": 2},
    {"type": "content_block_location", "document_index": 2, "document_title": "", "start_block_index": 0, "end_block_index": 1},
]
text = st.text(st.sampled_from("ab \n漢😀"), max_size=30)
sources = st.builds(
    lambda url, start, size: SourceCited(url, start=start, end=start + size),
    st.sampled_from(["https://a.org", "https://b.org"]),
    st.integers(0, 40),
    st.integers(0, 20),
)


@pytest.mark.parametrize("place", PLACES)
def test_a_place_in_a_document_comes_back_as_it_was(place):
    cited = decode_citation({**place, "cited_text": "q", "file_id": None})
    assert cited is not None
    made = encode_citation(cited)
    assert {name: made[name] or None for name in made} == {**place, "cited_text": "q", "file_id": None} | {
        name: place[name] or None for name in place
    }


@pytest.mark.parametrize("value", [None, {}, [], "x", {"type": 7}, {"type": ""}])
def test_what_is_no_citation_is_none(value):
    assert decode_citation(value) is None or decode_citation(value) == SourceCited()


@pytest.mark.parametrize(
    "cited", [SourceCited("https://a.org"), SourceCited(title="T", quote="q"), SourceCited(document=1), SourceCited(file_id="f")]
)
def test_every_field_that_the_sdk_demands_is_written(cited):
    TypeAdapter(TextCitation).validate_python(encode_citation(cited), strict=True)


@given(text, st.lists(sources, max_size=6), st.integers(0, 9))
def test_cutting_loses_no_visible_text_and_no_citation(text, citations, offset):
    pieces = cut_text(text, citations, offset)
    assert all(piece.strip() for piece, _ in pieces)
    assert "".join(piece for piece, _ in pieces) == (text if text.strip() else "")
    urls = sorted(made["url"] for _, found in pieces for made in found)
    assert urls == (sorted(cited.url for cited in citations) if text.strip() else [])


@given(st.lists(st.tuples(st.text(min_size=1, max_size=5).filter(str.strip), st.booleans()), max_size=6))
def test_blocks_with_citations_come_back_as_they_were(blocks):
    events, at = [], 0
    for number, (words, cited) in enumerate(blocks):
        events.append(TextDelta(words))
        if cited:
            events.append(SourceCited(f"https://{number}.org", "", "", at, at + len(words)))
        at += len(words)
    body = encode_response([*events, STOP], model="m")
    again = decode_response(body)
    assert [event for event in again if isinstance(event, SourceCited)] == [e for e in events if isinstance(e, SourceCited)]


def test_a_stream_of_anthropics_has_the_places_of_its_blocks():
    start = {"id": "m", "type": "message", "role": "assistant", "model": "c", "content": [], "usage": {"input_tokens": 1}}
    frames = [named("message_start", message=start)]
    for at, (words, citations) in enumerate([("One. ", []), ("Two.", [PAGE, {"type": 0}]), (" Three", [PLACES[0]])]):
        frames.append(named("content_block_start", index=at, content_block={"type": "text", "text": "", "citations": []}))
        deltas = [{"type": "citations_delta", "citation": one} for one in citations]
        deltas += [{"type": "text_delta", "text": letter} for letter in words]
        frames += [named("content_block_delta", index=at, delta=delta) for delta in deltas]
        frames.append(named("content_block_stop", index=at))
    frames += [named("message_delta", delta={"stop_reason": "end_turn"}, usage={}), named("message_stop")]
    events = AnthropicDecoder().feed(b"".join(frames))
    found = [(event.url, event.quote, event.start, event.end) for event in events if isinstance(event, SourceCited)]
    assert [one for one in found if any(one[:2]) or one[2] == 9] == [("https://a.org", "q", 5, 9), ("", "", 9, 15)]


def streamed(*events):
    return check(AnthropicEncoder(model="m", new_id=numbered()).encode([*events, STOP]))["content"]


def test_a_stream_cites_in_the_open_block_and_more_text_begins_another():
    first, second = SourceCited("https://a.org", "A", "", 0, 3), SourceCited("https://b.org", "B", "", 0, 3)
    blocks = streamed(TextDelta("one"), first, second, TextDelta(" "), TextDelta("two"))
    assert [(block["text"], [cited["url"] for cited in block.get("citations", ())]) for block in blocks] == [
        ("one", ["https://a.org", "https://b.org"]),
        (" two", []),
    ]


def test_a_source_that_comes_after_a_call_is_named_in_words():
    blocks = streamed(
        TextDelta("one"), ToolCallStarted(0, "c", "f"), ToolCallDelta(0, "{}"), SourceCited("https://a.org", "A", "", 0, 3)
    )
    assert [block["type"] for block in blocks] == ["text", "tool_use", "text"]
    assert blocks[2]["text"] == "[A](https://a.org)"
    assert blocks[2]["citations"][0]["url"] == "https://a.org"


def test_what_was_cited_here_never_goes_to_anthropic():
    made = encode_citation(SourceCited("https://a.org"))
    unknown = encode_citation(SourceCited(title="a.pdf", file_id="file-1"))
    content = [
        {"type": "text", "text": "octo.1. in words stays", "citations": [PAGE]},
        {"type": "text", "text": "b", "citations": [made]},
        {"type": "text", "text": "c", "citations": [unknown], "cache_control": {"type": "ephemeral"}},
    ]
    body = RequestBody.parse(json.dumps({"messages": [{"role": "assistant", "content": content}]}).encode())
    messages = json.loads(remove_thinking(body)["messages"] or b"")
    assert messages[0]["content"] == [
        content[0],
        {"type": "text", "text": "b"},
        {"type": "text", "text": "c", "cache_control": {"type": "ephemeral"}},
    ]
    genuine = RequestBody.parse(json.dumps({"messages": [{"role": "assistant", "content": content[:1]}]}).encode())
    assert remove_thinking(genuine) == {}
