"""Bodies go with the entry of their request: what was on the wire, without secrets, and within a limit."""

from __future__ import annotations

import asyncio
import gzip

import pytest

from octoroute.runtime import body_capture
from octoroute.runtime.body_capture import BodyCapture, BodySettings
from octoroute.server.decompression import beginning
from octoroute.store.base import Body
from octoroute.telemetry.traffic_log.redaction import Redaction
from tests.support.history import entry


class Entries:
    def __init__(self) -> None:
        self.sources = []

    def append(self, source) -> None:
        self.sources.append(source)

    def made(self):
        return [source() for source in self.sources]


@pytest.fixture
def entries() -> Entries:
    return Entries()


def capture(entries, dropped=lambda: None, **settings) -> BodyCapture:
    made = BodyCapture(entries, dropped=dropped)
    made.use(BodySettings(**{"max_bytes": 1024, **settings}), Redaction(["the-secret-key"]), beginning)
    return made


def route_of(capture, *, answer=(b"answer",), outcome=True, fails=False, key="team"):
    async def route(scope, receive, send):
        while (await receive()).get("more_body"):
            pass
        await send({"type": "http.response.start", "status": 200, "headers": []})
        if outcome:
            capture.append(lambda: entry(key=key))
        for piece in answer:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        if fails:
            raise ConnectionError

    return route


async def run(capture, route, *pieces: bytes, headers=()):
    messages = [{"type": "http.request", "body": piece, "more_body": at + 1 < len(pieces)} for at, piece in enumerate(pieces)]

    async def receive():
        return messages.pop(0)

    async def send(message):
        pass

    await capture.around({"/x": route})["/x"]({"headers": list(headers)}, receive, send)


async def test_both_bodies_are_kept_as_they_went_over_the_wire(entries):
    bodies = capture(entries)
    await run(bodies, route_of(bodies, answer=(b"data: 1\n\n", b"data: 2\n\n")), b'{"a"', b":1}")
    (made,) = entries.made()
    assert made == entry(body=Body(request=b'{"a":1}', response=b"data: 1\n\ndata: 2\n\n"))


async def test_of_a_long_body_the_beginning_is_kept_with_its_length(entries):
    bodies = capture(entries)
    await run(bodies, route_of(bodies, answer=(b"a" * 700, b"b" * 700, b"c" * 70_000)), b"q" * 5000)
    (made,) = entries.made()
    assert made.body == Body(request=b"q" * 1024, response=b"a" * 700 + b"b" * 324, request_size=5000, response_size=71_400)


async def test_secrets_are_masked_even_where_the_limit_cuts_them(entries):
    bodies = capture(entries)
    await run(
        bodies,
        route_of(bodies, answer=(b"x" * 1015 + b" the-secret-key",)),
        b'{"key": "the-secret-key", "b": "sk-abcdefghijklmnop"}',
    )
    (made,) = entries.made()
    assert made.body.request == b'{"key": "***", "b": "***"}'
    assert b"the-" not in made.body.response


async def test_bytes_that_are_no_text_stay_as_they_are(entries):
    bodies = capture(entries)
    await run(bodies, route_of(bodies, answer=(bytes(range(256)),)), b"\xff\xfe")
    (made,) = entries.made()
    assert made.body == Body(request=b"\xff\xfe", response=bytes(range(256)))


async def test_a_compressed_request_is_kept_without_its_coding(entries):
    bodies = capture(entries)
    await run(bodies, route_of(bodies), gzip.compress(b'{"q": "hello"}'), headers=[(b"content-encoding", b"gzip")])
    await run(bodies, route_of(bodies), b"?", headers=[(b"content-encoding", b"br")])
    assert [made.body.request for made in entries.made()] == [b'{"q": "hello"}', b""]


async def test_a_request_that_breaks_off_keeps_what_there_was(entries):
    bodies = capture(entries)
    with pytest.raises(ConnectionError):
        await run(bodies, route_of(bodies, fails=True), b"q")
    (made,) = entries.made()
    assert made.body == Body(request=b"q", response=b"answer")


async def test_of_excluded_keys_nothing_is_kept(entries):
    bodies = capture(entries, excluded_keys=frozenset({"legal"}))
    await run(bodies, route_of(bodies, key="legal"), b"q")
    assert entries.made() == [entry(key="legal")]


async def test_a_request_without_an_outcome_leaves_nothing_and_others_are_passed_on(entries):
    bodies = capture(entries)
    await run(bodies, route_of(bodies, outcome=False), b"q")
    assert not entries.sources
    bodies.append(entry)
    assert entries.made() == [entry()]


async def test_only_the_first_outcome_of_a_request_has_its_bodies(entries):
    bodies = capture(entries)
    later = []

    async def route(scope, receive, send):
        bodies.append(lambda: entry(id="own"))
        bodies.append(lambda: entry(id="inner"))
        later.append(asyncio.create_task(after()))

    async def after():
        bodies.append(lambda: entry(id="after"))

    await run(bodies, route)
    await later[0]
    assert [(made.row.id, made.body is not None) for made in entries.made()] == [("inner", False), ("own", True), ("after", False)]


async def test_when_too_much_waits_rows_are_kept_without_bodies(entries, monkeypatch):
    monkeypatch.setattr(body_capture, "MAX_PENDING_BYTES", 10)
    dropped = []
    bodies = capture(entries, dropped=lambda: dropped.append(1))
    await run(bodies, route_of(bodies, answer=(b"a" * 20,)), b"q")
    await run(bodies, route_of(bodies, answer=(b"b" * 10, b"b" * 10)), b"q")
    one, two = entries.made()
    assert (one.body.response, two.body.response, two.body.response_size) == (b"a" * 20, b"", 20)
    assert len(dropped) == 2, "the second request's body and its response's, once each"
    await run(bodies, route_of(bodies, answer=(b"c" * 20,)), b"q")  # those before have been written
    assert entries.made()[-1].body.response == b"c" * 20


async def test_what_is_kept_of_a_body_is_its_beginning_without_a_gap(entries, monkeypatch):
    monkeypatch.setattr(body_capture, "MAX_PENDING_BYTES", 10)
    bodies = capture(entries)

    async def route(scope, receive, send):
        await receive()
        bodies.append(entry)
        await send({"type": "http.response.body", "body": b"one", "more_body": True})
        await send({"type": "http.response.body", "body": b"-two" * 3, "more_body": True})
        await send({"type": "http.response.body", "body": b"-left out", "more_body": True})
        monkeypatch.setattr(body_capture, "MAX_PENDING_BYTES", 1000)  # as if the history had caught up
        await send({"type": "http.response.body", "body": b"-after it", "more_body": False})

    await run(bodies, route, b"q")
    (kept,) = entries.made()
    assert (kept.body.response, kept.body.response_size) == (b"one" + b"-two" * 3, 33)


async def test_off_the_routes_are_the_routes_themselves(entries):
    bodies = capture(entries)
    bodies.use(None, Redaction(), beginning)
    routes = {"/x": route_of(bodies)}
    assert bodies.around(routes) is routes
