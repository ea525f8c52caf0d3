"""A connection over a transport that is a list: the scope, the order of responses, and the time limits."""

from __future__ import annotations

import asyncio
import gc
import json

import pytest

from octoroute.server.http1.connection import BODY_S, HEAD_S, ServerConnection
from octoroute.server.http1.exchange import ServerExchange
from octoroute.server.http1.listener import ListenerState
from tests.support.http1 import GET, Wire, answering, connect, directly, never, post, turns

IDLE_S = round(ListenerState().settings.keep_alive_seconds)
WRITE_S = round(ListenerState().settings.client_write_timeout_seconds)


async def test_the_scope_is_what_asgi_says():
    seen = []

    async def app(scope, receive, send):
        seen.append(scope)
        await answering()(scope, receive, send)

    connection, _, _ = connect(app)
    connection.data_received(GET)
    await turns()
    (scope,) = seen
    assert {name: value for name, value in scope.items() if name != "extensions"} == {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": "/a b",
        "raw_path": b"/a%20b",
        "query_string": b"q=1",
        "root_path": "",
        "headers": [(b"host", b"x")],
        "server": ("127.0.0.1", 80),
        "client": ("127.0.0.1", 5000),
        "state": {},
    }


@pytest.mark.parametrize("end", ["the client", "the application", "the server"])
async def test_a_connection_ends_with_the_answer_that_says_so(end):
    headers = [(b"connection", b"Close")] if end == "the application" else []
    connection, wire, _ = connect(answering(headers=headers))
    connection.listener.stopping = end == "the server"
    connection.data_received(GET.replace(b"Host", b"connection: close\r\nhost") if end == "the client" else GET)
    await turns()
    assert wire.out.lower().count(b"connection: close\r\n") == 1
    assert wire.closed


async def test_answers_come_in_the_order_of_their_questions():
    async def app(scope, receive, send):
        body = (await receive())["body"]
        await asyncio.sleep(0)
        await answering(body)(scope, receive, send)

    connection, wire, census = connect(app)
    questions = [b"question-%d" % number for number in range(5)]
    connection.data_received(b"".join(map(post, questions)) + post(b"last", b"connection: close\r\n"))
    assert not wire.is_read
    await turns(60)
    places = [wire.out.index(question) for question in questions]
    assert places == sorted(places)
    assert wire.out.count(b"HTTP/1.1 200 OK") == 6
    assert wire.closed
    assert census.total_requests == 6


async def test_a_client_that_leaves_takes_its_whole_pipeline_with_it():
    begun = []

    async def use(client):
        begun.append(client)
        client.watch_disconnect()
        try:
            await never()
        except asyncio.CancelledError:
            assert client.gone
            asyncio.current_task().uncancel()

    connection, wire, census = connect(directly(use))
    connection.data_received(GET * 3)
    await turns()
    assert wire.is_read  # otherwise nobody would notice
    assert len(census.tasks) == 1
    connection.connection_lost(None)
    await turns()
    assert (len(begun), census.tasks, census.connections) == (1, set(), set())
    assert not wire.out


async def test_when_the_server_stops_the_last_of_a_pipeline_says_so():
    go = asyncio.Event()

    async def app(scope, receive, send):
        await go.wait()
        await answering()(scope, receive, send)

    connection, wire, _ = connect(app)
    connection.data_received(GET * 3)
    await turns()
    connection.listener.stopping = True
    connection.close_if_idle(0)
    assert not wire.closed
    go.set()
    await turns(20)
    answers = wire.out.split(b"HTTP/1.1 200 OK\r\n")[1:]
    assert [b"connection: close" in answer for answer in answers] == [False, False, True]
    assert wire.closed


async def test_an_answer_under_way_when_the_server_stops_is_followed_by_the_next_request():
    """Its head did not say `connection: close`, so the client may send another one."""
    go = asyncio.Event()

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"x", "more_body": True})
        await go.wait()
        await send({"type": "http.response.body", "body": b""})

    connection, wire, _ = connect(app)
    connection.data_received(GET)
    await turns()
    connection.listener.stopping = True
    go.set()
    await turns()
    assert not wire.closed
    connection.data_received(GET)
    await turns()
    assert wire.out.count(b"connection: close") == 1
    assert wire.closed


@pytest.mark.parametrize(
    ("data", "idle"), [(b"", True), (GET, True), (GET[:20], False), (post(b"xyz")[:-1], False), (GET + GET[:9], False)]
)
async def test_only_a_connection_without_a_part_of_a_request_is_closed_when_the_server_stops(data, idle):
    connection, wire, _ = connect(answering())
    if data:
        connection.data_received(data)
        await turns()
    seconds(connection, 2)
    connection.close_if_idle(3)
    assert not wire.ended
    seconds(connection, 1)
    connection.close_if_idle(3)
    assert wire.ended is idle  # the client sees an end, and what it has just sent does not reset the connection
    assert not wire.closed


async def test_a_client_that_takes_nothing_of_its_answer_is_cut_off_and_its_task_ended():
    lost = []

    async def use(client):
        client.watch_disconnect()
        client.begin({})
        try:
            while True:
                client.write(b"x" * 1000)
                connection.pause_writing()
                await client.drain()
        except asyncio.CancelledError:
            lost.append(client.gone)
            asyncio.current_task().uncancel()

    connection, wire, _ = connect(directly(use))
    connection.data_received(GET)
    await turns()
    wire.unsent = 50_000
    seconds(connection, WRITE_S)
    wire.unsent -= 1  # a byte is enough
    seconds(connection, WRITE_S)
    assert not wire.aborted
    seconds(connection, 1)
    assert wire.aborted
    connection.connection_lost(None)
    await turns()
    assert lost == [True]


async def test_a_client_that_takes_nothing_after_the_last_byte_was_written_is_cut_off_too():
    connection, wire, _ = connect(answering())
    connection.data_received(GET)
    await turns()
    wire.unsent = 10
    seconds(connection, WRITE_S)
    assert not wire.aborted
    seconds(connection, 1)
    assert wire.aborted


async def test_a_buffer_that_grows_while_a_slow_stream_is_written_is_no_stall():
    async def use(client):
        client.begin({})
        await never()

    connection, wire, census = connect(directly(use))
    connection.data_received(GET)
    await turns()
    for _ in range(3 * WRITE_S):
        wire.unsent += 10
        connection.second_passed()
    assert not wire.aborted
    for task in census.tasks:
        task.cancel()


async def test_who_says_no_more_wants_no_answer():
    connection, _, _ = connect(never)
    assert not connection.eof_received()


def seconds(connection: ServerConnection, count: int) -> None:
    for _ in range(count):
        connection.second_passed()


def told(wire: Wire) -> tuple[int, str]:
    head, _, body = wire.out.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)["error"]["code"]


async def test_a_head_that_does_not_end_is_a_408_however_it_dribbles():
    connection, wire, _ = connect(never)
    connection.data_received(b"GET / HTTP/1.1\r\nx: ")
    for _ in range(HEAD_S):
        connection.data_received(b"y")
        connection.second_passed()
    assert not wire.out
    connection.second_passed()
    assert told(wire) == (408, "request_timeout")
    assert wire.ended


async def test_a_body_that_stops_is_a_408_and_one_that_dribbles_is_not():
    ended = []

    async def app(scope, receive, send):
        while (message := await receive())["type"] == "http.request":
            pass
        ended.append(message["type"])

    connection, wire, _ = connect(app)
    connection.data_received(post(b"x" * 500)[:-400])
    for _ in range(20):
        await turns()
        seconds(connection, BODY_S)
        connection.data_received(b"x")
    seconds(connection, BODY_S)
    assert not wire.out
    connection.second_passed()
    assert told(wire) == (408, "request_timeout")
    await turns()
    assert ended == ["http.disconnect"]


async def test_a_refused_body_that_stops_is_the_end_of_its_connection():
    connection, wire, _ = connect(answering())
    connection.data_received(post(b"x" * 500)[:-400])
    await turns()
    assert wire.out.startswith(b"HTTP/1.1 200 ")
    seconds(connection, BODY_S)
    assert not wire.ended
    connection.second_passed()
    assert wire.ended


@pytest.mark.parametrize("used", [False, True])
async def test_an_idle_connection_is_closed(used):
    connection, wire, _ = connect(answering())
    if used:
        seconds(connection, IDLE_S)
        connection.data_received(GET)
        await turns()
    seconds(connection, IDLE_S)
    assert not wire.ended
    connection.second_passed()
    assert wire.ended
    connection.data_received(GET)  # too late: it is dropped
    await turns()
    assert wire.out.count(b"HTTP/1.1") == used


async def test_an_answer_may_take_its_time_and_so_may_the_next_head_behind_it():
    connection, wire, census = connect(never)
    connection.data_received(GET + b"GET / HT")
    await turns()
    seconds(connection, 10_000)
    assert not wire.closed
    assert not wire.out
    for task in census.tasks:
        task.cancel()


async def test_a_request_leaves_nothing_for_the_collector():
    async def use(client):
        client.body()
        client.watch_disconnect()
        client.answer({}, b"")
        client.unwatch_disconnect()

    connection, _, _ = connect(directly(use))
    gc.collect()
    gc.disable()
    try:
        for _ in range(5):
            connection.data_received(post(b"{}"))
            await turns()
        assert not [found for found in gc.get_objects() if isinstance(found, ServerExchange)]
    finally:
        gc.enable()


async def test_a_lost_connection_leaves_nothing_for_the_collector():
    gc.collect()
    gc.disable()
    before = sum(isinstance(found, ServerConnection) for found in gc.get_objects())
    try:
        for data in (GET, post(b"{}")[:-1], GET[:20]):
            connection, _, _ = connect(answering())
            connection.data_received(data)
            await turns()
            connection.connection_lost(None)
            await turns()
        del connection
        assert sum(isinstance(found, ServerConnection) for found in gc.get_objects()) == before
    finally:
        gc.enable()
