"""One request and its response: what is written, when, and what becomes of errors and disconnects."""

from __future__ import annotations

import asyncio
import json

import pytest

from octoroute.config.schema.server import ServerTable
from octoroute.server.downstream import ClientGone, downstream_of
from tests.support.http1 import GET, TEXT, Wire, answering, connect, directly, never, post, turns


async def test_head_and_body_are_one_write():
    connection, wire, census = connect(answering(headers=[*TEXT, (b"content-length", b"5")]))
    connection.data_received(GET)
    await turns()
    assert wire.writes == [
        b"HTTP/1.1 200 OK\r\nx-content-type-options: nosniff\r\ncontent-type: text/plain\r\ncontent-length: 5\r\n\r\nhello"
    ]
    assert (census.total_requests, census.tasks) == (1, set())
    connection.data_received(GET)
    await turns()
    assert len(wire.writes) == 2
    assert not wire.closed


@pytest.mark.parametrize("size", [0, 10, 200_000])
async def test_a_whole_answer_to_a_client_that_is_spoken_to_directly(size):
    async def use(client):
        assert client.body() == b"{}"
        assert not client.answer({"content-type": "text/plain"}, b"x" * size)

    connection, wire, _ = connect(directly(use))
    connection.data_received(post(b"{}"))
    await turns()
    assert wire.writes == [
        b"HTTP/1.1 200 OK\r\nx-content-type-options: nosniff\r\ncontent-type: text/plain\r\ncontent-length: %d\r\n\r\n" % size
        + b"x" * size
    ]


async def test_a_stream_is_a_write_a_piece_and_its_head_goes_with_the_first():
    async def use(client):
        client.begin({"content-type": "text/event-stream"})
        for piece in (b"one", b"", b"seventeen letters"):
            client.write(piece)
        client.end()

    connection, wire, _ = connect(directly(use))
    connection.data_received(post(b"{}"))
    await turns()
    head = b"HTTP/1.1 200 OK\r\nx-content-type-options: nosniff\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    assert wire.writes == [head + b"3\r\none\r\n", b"11\r\nseventeen letters\r\n", b"0\r\n\r\n"]


@pytest.mark.parametrize("way", ["messages", "directly"])
async def test_a_head_does_not_wait_for_a_body_that_is_late(way):
    async def by_messages(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": TEXT})
        await never()

    async def use(client):
        client.begin({"content-type": "text/plain"})
        await never()

    connection, wire, census = connect(by_messages if way == "messages" else directly(use))
    connection.data_received(GET)
    await turns()
    assert wire.writes == [
        b"HTTP/1.1 200 OK\r\nx-content-type-options: nosniff\r\ncontent-type: text/plain\r\ntransfer-encoding: chunked\r\n\r\n"
    ]
    for task in census.tasks:
        task.cancel()


async def silent(*_args) -> None:
    pass


@pytest.mark.parametrize("app", [lambda *_: 1 / 0, silent, answering(b"toolong", headers=[(b"content-length", b"5")])])
async def test_a_bug_before_the_answer_is_a_500_in_the_envelope(app):
    connection, wire, census = connect(app)
    connection.data_received(GET)
    await turns()
    assert wire.closed
    assert not census.tasks
    if wire.out:
        head, _, body = wire.out.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 500 ")
        assert json.loads(body)["error"]["code"] == "internal_error"


async def test_a_listed_page_may_read_the_500_of_a_bug():
    async def app(scope, receive, send):
        raise ValueError

    for origin, readable in ((b"https://page.example", True), (b"https://evil.example", False)):
        connection, wire, _ = connect(app)
        connection.listener.settings = ServerTable(cors_origins=("https://page.example",))
        connection.data_received(post(b"{}", b"origin: " + origin + b"\r\n"))
        await turns()
        assert wire.out.startswith(b"HTTP/1.1 500 ")
        assert (b"access-control-allow-origin: https://page.example\r\n" in wire.out) is readable


async def test_a_bug_in_the_middle_of_an_answer_closes_the_connection():
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        raise RuntimeError

    connection, wire, _ = connect(app)
    connection.data_received(GET)
    await turns()
    assert wire.out.endswith(b"4\r\nhalf\r\n")
    assert wire.closed


@pytest.mark.parametrize(
    "messages",
    [
        [{"type": "http.response.body", "body": b"x"}],
        [{"type": "http.response.start", "status": 200}] * 2,
        [{"type": "http.response.start", "status": 200}, *[{"type": "http.response.body", "body": b"x"}] * 2],
        [{"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"3")]}, {"type": "http.response.body", "body": b"x"}],
    ],
)  # fmt: skip
async def test_messages_out_of_turn_are_refused(messages):
    refused = []

    async def app(scope, receive, send):
        try:
            for message in messages:
                await send(message)
        except RuntimeError:
            refused.append(True)

    connection, _, _ = connect(app)
    connection.data_received(GET)
    await turns()
    assert refused


async def test_a_hang_up_costs_no_second_task_and_reaches_who_watches():
    ended = []

    async def use(client):
        client.watch_disconnect()
        try:
            await never()
        finally:
            ended.append(client.gone)

    before = len(asyncio.all_tasks())
    connection, _, census = connect(directly(use))
    connection.data_received(post(b"{}"))
    await turns()
    assert len(asyncio.all_tasks()) == before + 1
    connection.connection_lost(ConnectionResetError())
    await turns()
    assert ended == [True]
    assert not census.tasks


async def test_who_does_not_watch_is_told_when_he_asks():
    go = asyncio.Event()
    told = []

    async def app(scope, receive, send):
        client = downstream_of(scope, receive, send)
        client.watch_disconnect()
        client.unwatch_disconnect()
        await go.wait()
        with pytest.raises(ClientGone):
            client.body()
        told.append((await receive())["type"])
        await answering()(scope, receive, send)

    connection, wire, _ = connect(app)
    connection.data_received(post(b"{}"))
    await turns()
    connection.connection_lost(None)
    go.set()
    await turns()
    assert told == ["http.disconnect"]
    assert not wire.out


def told(wire: Wire) -> tuple[int, str]:
    head, _, body = wire.out.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)["error"]["code"]
