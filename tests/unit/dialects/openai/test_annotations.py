"""Annotations of chat messages, and the lists of sources that some servers send beside them."""

from __future__ import annotations

import json

import pytest

from octoroute.dialects.openai.annotations import encode_annotation
from octoroute.dialects.openai.response import decode_response, encode_response
from octoroute.dialects.openai.stream_decoder import OpenAIDecoder
from octoroute.domain.events import Finished, FinishReason, SourceCited, TextDelta
from tests.support.chunks import DONE, chunk, sse

PAGE = {"url": "https://a.org", "title": "A", "start_index": 2, "end_index": 6}
CITED = SourceCited("https://a.org", "A", "", 2, 6)


def cited(events):
    return [event for event in events if isinstance(event, SourceCited)]


def streamed(*chunks):
    decoder = OpenAIDecoder()
    return cited([*decoder.feed(b"".join([*chunks, chunk("stop"), DONE])), *decoder.end()])


def whole(message, **more):
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "text", **message}}
    return cited(decode_response(json.dumps({"choices": [choice], **more}).encode()))


@pytest.mark.parametrize(
    "annotation",
    [
        {"type": "url_citation", "url_citation": PAGE},
        {"url_citation": PAGE},
        {"type": "url_citation", **PAGE},
        {"type": "url_citation", "url_citation": {**PAGE, "start_index": "2", "end_index": 6.0}},
        {"type": "url_citation", "url_citation": {**PAGE, "content": 7, "extra": {}}} | {"content": []},
    ],
)
def test_a_citation_however_it_is_written(annotation):
    for found in (streamed(chunk(content="some text"), chunk(annotations=[annotation])), whole({"annotations": [annotation]})):
        assert [(source.url, source.title, source.start, source.end) for source in found] == [("https://a.org", "A", 2, 6)]


@pytest.mark.parametrize(
    "value", [None, [], [None], [{}], {}, "x", [{"type": "file", "file": {"hash": "h"}}], [{"type": "url_citation"}]]
)
def test_what_is_no_citation_costs_nothing(value):
    assert streamed(chunk(content="a", annotations=value)) == whole({"annotations": value}) == []


def test_places_are_never_backwards_or_negative():
    (found,) = whole({"annotations": [{"type": "url_citation", "url_citation": {**PAGE, "start_index": -3, "end_index": -9}}]})
    assert (found.start, found.end) == (0, 0)
    (found,) = whole({"annotations": [{"type": "url_citation", "url_citation": {**PAGE, "start_index": 9, "end_index": 4}}]})
    assert (found.start, found.end) == (9, 9)


def test_the_sources_that_perplexity_repeats_in_every_chunk_come_once():
    sources = {"citations": ["https://a.org", "https://b.org"]}
    chunks = [sse({"choices": [{"index": 0, "delta": {"content": text}}], **sources}) for text in ("one[1]", " two[2]")]
    assert [source.url for source in streamed(*chunks)] == sources["citations"]
    results = [{"url": "https://a.org", "title": "A", "date": "2026-01-01", "snippet": "s"}]
    assert whole({}, search_results=results, **sources) == [SourceCited("https://a.org", "A", "s")]


def test_annotations_say_more_than_a_list_of_sources():
    listed = sse({"choices": [{"index": 0, "delta": {"content": "a"}}], "citations": ["https://z.org"]})
    annotation = {"type": "url_citation", "url_citation": PAGE}
    assert streamed(listed, chunk(annotations=[annotation])) == whole({"annotations": [annotation]}, citations=["https://z.org"])


def test_every_field_that_the_sdk_demands_is_written():
    from openai.types.chat.chat_completion_message import Annotation

    for source in (CITED, SourceCited(document=1, quote="q"), SourceCited(url="https://b.org")):
        annotation = Annotation.model_validate(encode_annotation(source), strict=True)
        assert annotation.url_citation.url
        assert annotation.url_citation.title


def test_a_whole_message_has_all_its_citations():
    events = [
        TextDelta("some"),
        CITED,
        TextDelta(" text"),
        SourceCited("https://b.org", "B", "", 5, 9),
        Finished(FinishReason.STOP),
    ]
    message = json.loads(encode_response(events, model="m", created_s=1))["choices"][0]["message"]
    assert [one["url_citation"]["url"] for one in message["annotations"]] == ["https://a.org", "https://b.org"]
    plain = json.loads(encode_response([TextDelta("a"), Finished(FinishReason.STOP)], model="m", created_s=1))
    assert "annotations" not in plain["choices"][0]["message"]
