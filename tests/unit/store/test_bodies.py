"""Bodies are what they were after a way through the database, and a text is found however it went over the wire."""

from __future__ import annotations

import json

import pytest

from octoroute.store.base import Body
from octoroute.store.bodies import body_has, pack_body, streamed_text, unpack_body, without_body
from tests.support.history import entry

SSE = (
    b'data: {"choices":[{"delta":{"content":"The dis"}}]}\n\ndata: {"choices":[{"delta":{"content":"count"}}]}\n\ndata: [DONE]\n\n'
)
MESSAGES = (
    b'event: content_block_delta\ndata: {"type":"content_block_delta","delta":{"type":"text_delta","text":"The dis"}}\n\n'
    b'event: content_block_delta\ndata: {"type":"content_block_delta","delta":{"type":"text_delta","text":"count"}}\n\n'
)
RESPONSES = b'event: x\ndata: {"delta":"The dis"}\n\nevent: x\ndata: {"delta":"count"}\n\n'
GEMINI = (
    b'data: {"candidates":[{"content":{"parts":[{"text":"The dis"}]}}]}\r\n\r\n'
    b'data: {"candidates":[{"content":{"parts":[{"text":"count"}]}}]}\r\n\r\n'
)
OLLAMA = b'{"message":{"content":"The dis"}}\n{"message":{"content":"count"},"done":true}\n'


@pytest.mark.parametrize(
    "body",
    [
        Body(request=b"", response=b""),
        Body(request=b"short", response=b"\x00\xff" * 400),
        Body(request=b"long " * 1000, response=b"x", request_size=10_000_000, response_size=2),
        Body(request=bytes(range(256)) * 2, response=b"data: {}\n\n" * 99),
    ],
)
def test_a_body_survives_packing(body):
    assert unpack_body(*pack_body(body)) == body


def test_streams_take_little_room():
    assert sum(map(len, pack_body(Body(request=b"", response=SSE * 500)))) < len(SSE) * 500 / 20


@pytest.mark.parametrize("stream", [SSE, MESSAGES, RESPONSES, GEMINI, OLLAMA])
def test_a_text_is_found_across_the_events_of_every_stream(stream):
    body = Body(request=b"", response=stream + b'data: {"cut off')
    assert body_has(body, "the discount")
    assert not body_has(body, "the counter")


@pytest.mark.parametrize("is_ascii", [True, False])
def test_a_text_is_found_in_json_whatever_was_escaped(is_ascii):
    sent = json.dumps({"content": 'She said "Grüße",\nand left'}, ensure_ascii=is_ascii).encode()
    assert body_has(Body(request=sent, response=b""), 'said "Grüße",\nAND')
    assert not body_has(Body(request=sent, response=b""), "said Grüße")


def test_any_text_may_be_asked_for():
    assert not body_has(Body(request=b"x", response=b"y"), "\udc80\x00")


@pytest.mark.parametrize("response", [b"[" * 100_000, b"data: " + b"[" * 100_000, b'data: {"a":' * 10, b"\x00\xff}\n{\xfe"])
def test_nothing_that_arrives_breaks_the_search(response):
    assert not streamed_text(response)


def test_an_entry_without_its_body():
    kept = entry(body=Body(request=b"a", response=b"b"))
    assert without_body(kept) == entry()
    assert without_body(entry()) == entry()
