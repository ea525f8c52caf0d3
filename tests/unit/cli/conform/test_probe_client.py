"""How the checks read what a gateway sends."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoroute.cli.conform.probe_client import BrokenPromise, EventReader, ProbeClient, SentEvent, StreamBreak, json_object, pick
from tests.support.fake import whole

STREAM = (
    'event: ping\ndata: {"a": "\u6f22"}\n\n: comment\r\nid: 1\r\nretry: 5\r\n\r\ndata: one\ndata:two\n\ndata: [DONE]\n\n'.encode()
)
EVENTS = [SentEvent("ping", '{"a": "\u6f22"}'), SentEvent("", "one\ntwo"), SentEvent("", "[DONE]")]


@given(st.lists(st.integers(0, len(STREAM))))
def test_events_are_the_same_however_the_bytes_are_cut(cuts):
    edges = [0, *sorted(cuts), len(STREAM)]
    reader = EventReader()
    pieces = [STREAM[a:b] for a, b in itertools.pairwise(edges)]
    assert [event for piece in pieces for event in reader.feed(piece)] == EVENTS


@pytest.mark.parametrize("data", [b"hello\n\n", b"data {}\n\n", b"\xff\xfe\n\n", b'{"error": 1}\n\n'])
def test_a_line_that_is_no_field_is_a_failure(data):
    with pytest.raises(BrokenPromise):
        list(EventReader().feed(data))


@given(st.recursive(st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_whatever_was_sent_can_be_looked_into(value):
    pick(value, "choices", 0, "delta")
    assert pick({"a": [value]}, "a", 0) == value
    assert pick({"a": [value]}, "a", 1) is None


def test_only_an_object_is_one():
    assert json_object(b'{"a": 1}', "it") == {"a": 1}
    for data in (b"[]", b"", b"{", b"\xff", b"[" * 100_000):
        with pytest.raises(BrokenPromise, match="it is not a JSON object"):
            json_object(data, "it")


@pytest.mark.parametrize(
    ("event", "is_error"),
    [
        (SentEvent("error", "x"), True),
        (SentEvent("", '{"error": {"message": "m"}}'), True),
        (SentEvent("", '{"error": null}'), False),
    ],
)
def test_an_error_is_known_by_its_name_or_its_object(event, is_error):
    assert event.is_error is is_error


@pytest.mark.parametrize("url", ["{}", "{}/", "{}/v1", "{}/v1/"])
async def test_any_spelling_of_the_url_does(fake, url):
    fake.always(whole(b"{}"))
    client = ProbeClient(url.format(fake.url.removesuffix("/v1")), "sk-1")
    await client.send("POST", "/messages", {"a": 1})
    await client.close()
    (seen,) = fake.requests
    assert seen.path == "/v1/messages"
    assert (seen.headers["authorization"], seen.headers["x-api-key"]) == ("Bearer sk-1", "sk-1")
    assert seen.json == {"a": 1}


async def test_a_stream_that_breaks_is_told(fake):
    async def cut(exchange):
        exchange.head(200, {"content-type": "text/event-stream", "transfer-encoding": "chunked"})
        exchange.chunk(b"data: 1\n\n")
        await exchange.flushed()
        exchange.close()

    fake.always(cut)
    client = ProbeClient(fake.url, "")
    events = []
    with pytest.raises(StreamBreak):
        async with client.stream("/chat/completions", {}) as stream:
            async for event in stream.events():
                events.append(event)
    assert [event.data for event in events] == ["1"]
    await client.close()
