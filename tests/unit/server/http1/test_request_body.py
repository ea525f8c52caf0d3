"""The body of a request: whole, in pieces, or only after `100 Continue`."""

from __future__ import annotations

import asyncio

import pytest

from octoroute.server.downstream import downstream_of
from octoroute.server.http1.flow_control import ConnectionFlow
from octoroute.server.http1.request_body import MAX_HELD_BYTES, IncomingBody
from tests.support.http1 import Wire, answering, connect, post, turns


async def test_a_body_comes_whole_in_pieces_or_with_the_head_and_then_there_is_only_the_end():
    for chunks in ([b"abcdef"], [b"abc", b"def"], [b"a", b"b", b"cdef"]):
        heard = []

        async def app(scope, receive, send, heard=heard):
            while True:
                message = await receive()
                heard.append(message)
                if message["type"] == "http.disconnect":
                    return
                if not message["more_body"]:
                    await answering()(scope, receive, send)

        connection, _, _ = connect(app)
        data = post(b"abcdef")
        connection.data_received(data[: -len(b"".join(chunks))] + chunks[0])
        await turns()
        for chunk in chunks[1:]:
            connection.data_received(chunk)
            await turns()
        assert b"".join(message.get("body", b"") for message in heard) == b"abcdef"
        assert [message["type"] for message in heard][-2:] == ["http.request", "http.disconnect"]
        assert [message.get("more_body") for message in heard][-2:] == [False, None]


@pytest.mark.parametrize("way", ["messages", "directly"])
async def test_a_client_is_told_to_continue_when_its_body_is_wanted_and_not_here(way):
    async def app(scope, receive, send):
        client = downstream_of(scope, receive, send)
        if way == "messages" or client.body() is None:
            await receive()
        await answering(headers=[(b"content-length", b"5")])(scope, receive, send)

    data = post(b"{}", b"Expect: 100-Continue\r\n")
    connection, wire, _ = connect(app)
    connection.data_received(data[:-2])
    await turns()
    assert wire.out == b"HTTP/1.1 100 Continue\r\n\r\n"
    connection.data_received(b"{}")
    await turns()
    assert wire.out.count(b"HTTP/1.1 ") == 2
    connection.data_received(data)
    await turns()
    assert wire.out.count(b"100 Continue") == 1
    assert wire.out.count(b"200 OK") == 2


async def test_a_body_that_is_waited_for_ends_its_wait_with_data_the_end_or_a_hang_up():
    wire = Wire()
    flow = ConnectionFlow(wire)
    for end in (lambda body: body.feed(b"x"), IncomingBody.finish, IncomingBody.wake):
        body = IncomingBody(flow, [])
        waiting = asyncio.ensure_future(body.wait())
        await turns()
        assert not waiting.done()
        end(body)
        await turns()
        assert waiting.done()


def test_a_body_is_taken_once():
    body = IncomingBody(ConnectionFlow(Wire()), [])
    assert not body.can_be_taken
    body.feed(b"ab")
    assert body.take_all() is None
    assert body.can_be_taken
    body.finish()
    assert body.take_all() == b"ab"
    assert body.take_all() is None
    assert not body.can_be_taken


@pytest.mark.parametrize(
    ("headers", "expected"),
    [([], False), ([(b"expect", b"100-Continue")], True), ([(b"expect", b"200-ok")], False), ([(b"x", b"100-continue")], False)],
)
def test_continue_is_sent_once_and_only_on_demand(headers, expected):
    body = IncomingBody(ConnectionFlow(Wire()), headers)
    assert body.expects_continue() is expected
    assert body.expects_continue() is False


def test_a_body_that_is_here_needs_no_continue():
    body = IncomingBody(ConnectionFlow(Wire()), [(b"expect", b"100-continue")])
    body.finish()
    assert not body.expects_continue()


def test_more_than_may_wait_stops_the_reading():
    wire = Wire()
    body = IncomingBody(ConnectionFlow(wire), [])
    body.feed(b"x" * MAX_HELD_BYTES)
    assert wire.is_read
    body.feed(b"x")
    assert not wire.is_read
