"""Annotations of Responses text parts, from endpoints and to clients, whole and streamed."""

from __future__ import annotations

import json

import pytest

from octoroute.dialects.responses.annotations import decode_annotation, encode_annotation
from octoroute.dialects.responses.output_item import decode_response
from octoroute.dialects.responses.response import encode_response
from octoroute.dialects.responses.stream_decoder import ResponsesDecoder
from octoroute.domain.events import Finished, FinishReason, SourceCited, TextDelta, ToolCallDelta, ToolCallStarted
from tests.support.dialects.responses import encoder
from tests.support.messages import named
from tests.support.responses_stream import check


def url(at, start, end):
    return {"type": "url_citation", "url": f"https://{at}.org", "title": at, "start_index": start, "end_index": end}


def message(*parts, id="msg_1"):
    content = [{"type": "output_text", "text": text, "annotations": found, "logprobs": []} for text, found in parts]
    return {"type": "message", "id": id, "status": "completed", "role": "assistant", "content": content}


def response(*items):
    return {"id": "resp_1", "object": "response", "status": "completed", "output": list(items)}


def cited(events):
    return [(event.url, event.start, event.end) for event in events if isinstance(event, SourceCited)]


ITEMS = [message(("Hello ", [url("a", 0, 5)]), ("world", [url("b", 1, 3)])), message(("again", [url("c", 0, 5)]), id="msg_2")]
FOUND = [("https://a.org", 0, 5), ("https://b.org", 7, 9), ("https://c.org", 11, 16)]


def test_places_count_from_the_part_and_become_places_in_the_response():
    assert cited(decode_response(json.dumps(response(*ITEMS)).encode())) == FOUND


@pytest.mark.parametrize("annotated", [True, False], ids=["as they come", "at the end of the item"])
def test_a_stream_has_the_same_citations_once(annotated):
    frames = [named("response.created", response={"id": "r"})]
    for at, item in enumerate(ITEMS):
        frames.append(named("response.output_item.added", output_index=at, item={**item, "content": []}))
        for place, part in enumerate(item["content"]):
            where = {"output_index": at, "content_index": place, "item_id": item["id"]}
            frames += [named("response.output_text.delta", **where, delta=letter) for letter in part["text"]]
            if annotated:
                one = part["annotations"][0]
                frames.append(named("response.output_text.annotation.added", **where, annotation_index=0, annotation=one))
        frames.append(named("response.output_item.done", output_index=at, item=item))
    frames.append(named("response.completed", response=response(*ITEMS)))
    assert cited(ResponsesDecoder().feed(b"".join(frames))) == FOUND


@pytest.mark.parametrize("value", [None, {}, [], "x", {"type": "url_citation"}, {"type": "file_citation", "index": 3}])
def test_what_names_no_source_is_no_citation(value):
    assert decode_annotation(value) is None


def test_files_are_cited_by_their_id():
    found = decode_annotation({"type": "file_citation", "file_id": "file-1", "filename": "a.pdf", "index": 4}, 10)
    assert found == SourceCited(title="a.pdf", start=14, end=14, file_id="file-1")
    made = encode_annotation(SourceCited(title="a.pdf", start=10, end=14, document=1), 10)
    assert made == {"type": "file_citation", "file_id": "document-2", "filename": "a.pdf", "index": 4}
    container = {
        "type": "container_file_citation",
        "container_id": "c",
        "file_id": "f",
        "filename": "n",
        "start_index": 1,
        "end_index": 2,
    }
    assert decode_annotation(container) == SourceCited(title="n", start=1, end=2, file_id="f")


EVENTS = [
    TextDelta("Hello "),
    SourceCited("https://a.org", "a", "", 0, 5),
    TextDelta("world"),
    ToolCallStarted(0, "c1", "f"),
    ToolCallDelta(0, "{}"),
    TextDelta("again"),
    SourceCited("https://c.org", "c", "", 11, 16),
    SourceCited("https://d.org", "d", "", 11, 13),
    Finished(FinishReason.TOOL_CALLS),
]


def test_a_client_gets_each_annotation_in_its_part():
    final = check(encoder().encode(EVENTS))
    body = json.loads(encode_response(EVENTS, model="m", created_s=1, echo={}))
    for output in (final["output"], body["output"]):
        parts = [part for item in output if item["type"] == "message" for part in item["content"]]
        found = [[(one["url"], one["start_index"], one["end_index"]) for one in part["annotations"]] for part in parts]
        assert found == [[("https://a.org", 0, 5)], [("https://c.org", 0, 5), ("https://d.org", 0, 2)]]


def test_a_source_that_comes_after_the_end_of_its_text_is_named_in_words():
    late = [*EVENTS[:1], *EVENTS[2:5], SourceCited("https://a.org", "a", "", 0, 5), SourceCited("https://b.org"), EVENTS[-1]]
    text = check(encoder().encode(late))["output"][-1]["content"][0]
    assert text["text"] == "[a](https://a.org)"
    assert [(one["url"], one["start_index"], one["end_index"]) for one in text["annotations"]] == [
        ("https://a.org", 0, 18),
        ("https://b.org", 0, 0),
    ]
    then = [*late[:-2], TextDelta(" and"), SourceCited("https://c.org", "c", "", 11, 15), EVENTS[-1]]
    text = check(encoder().encode(then))["output"][-1]["content"][0]
    assert text["text"] == "[a](https://a.org) and"
    assert (text["annotations"][1]["start_index"], text["annotations"][1]["end_index"]) == (18, 22)
