"""Back-pressure: a large body is not read ahead, and a slow client is waited for."""

from __future__ import annotations

import asyncio

import pytest

from octoroute.server.downstream import downstream_of
from octoroute.server.http1.connection import BODY_S
from octoroute.server.http1.flow_control import ConnectionFlow
from tests.support.http1 import Wire, answering, connect, post, turns


async def test_a_large_body_waits_outside_until_it_is_read():
    go = asyncio.Event()
    sizes = []

    async def app(scope, receive, send):
        await go.wait()
        more = True
        while more:
            message = await receive()
            sizes.append(len(message["body"]))
            more = message["more_body"]
        await answering()(scope, receive, send)

    connection, wire, _ = connect(app)
    connection.data_received(post(b"x" * 300_000)[:100_000])
    await turns()
    assert not wire.is_read
    for _ in range(BODY_S + 5):
        connection.second_passed()  # it is we who do not read
    go.set()
    await turns()
    assert wire.is_read
    connection.data_received(post(b"x" * 300_000)[100_000:])
    await turns()
    assert sum(sizes) == 300_000
    assert wire.out.startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("end", ["it reads again", "it leaves"])
@pytest.mark.parametrize("way", ["messages", "directly"])
async def test_a_client_that_does_not_read_is_waited_for(way, end):
    said = []

    async def app(scope, receive, send):
        client = downstream_of(scope, receive, send)
        if way == "directly":
            client.begin({})
            for number in range(3):
                said.append(number)
                if client.write(b"piece"):
                    await client.drain()
            client.end()
            return
        await send({"type": "http.response.start", "status": 200})
        for number in range(3):
            await send({"type": "http.response.body", "body": b"piece", "more_body": True})
            said.append(number)
        await send({"type": "http.response.body", "body": b""})

    connection, _, census = connect(app)
    connection.pause_writing()
    connection.data_received(post(b"{}"))
    await turns()
    assert len(said) < 2
    if end == "it reads again":
        connection.resume_writing()
    else:
        connection.connection_lost(None)
    await turns(10)
    assert said == [0, 1, 2]
    assert not census.tasks


async def test_a_drain_ends_when_the_buffer_has_room():
    flow = ConnectionFlow(Wire())
    await flow.drain()
    flow.pause_writing()
    waiting = asyncio.ensure_future(flow.drain())
    await turns()
    assert flow.paused
    assert not waiting.done()
    flow.resume_writing()
    await waiting
    assert not flow.paused


def test_a_closing_connection_is_not_read_again():
    wire = Wire()
    flow = ConnectionFlow(wire)
    flow.pause_reading()
    wire.close()
    flow.resume_reading()
    assert not flow.is_read
    assert not wire.is_read
