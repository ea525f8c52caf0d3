"""Bytes in, bytes out, over a transport that is a list: what a connection writes, when, and how long it waits."""

from __future__ import annotations

import asyncio
import gc
import json
from types import SimpleNamespace

import pytest

from octoroute.server.downstream import EXTENSION, AsgiDownstream, ClientGone, downstream_of
from octoroute.server.http1.connection import BODY_S, HEAD_S, IDLE_S, ServerConnection
from octoroute.server.http1.exchange import ServerExchange
from octoroute.server.http1.framing import head_of

GET = b"GET /a%20b?q=1 HTTP/1.1\r\nHost: x\r\n\r\n"
TEXT = [(b"content-type", b"text/plain")]


def post(body: bytes, headers: bytes = b"") -> bytes:
    return b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n%b\r\n%b" % (len(body), headers, body)


class Wire:
    """A transport that writes into a list."""

    def __init__(self) -> None:
        self.writes: list[bytes] = []
        self.is_read = True
        self.closed = False
        self.ended = False

    @property
    def out(self) -> bytes:
        return b"".join(self.writes)

    def write(self, data):
        assert not self.closed
        self.writes.append(bytes(data))

    def writelines(self, data):
        self.write(b"".join(data))

    def write_eof(self):
        self.ended = True

    def close(self):
        self.closed = True

    def is_closing(self):
        return self.closed

    def set_write_buffer_limits(self, high):
        assert high >= 0

    def pause_reading(self):
        self.is_read = False

    def resume_reading(self):
        self.is_read = True

    def get_extra_info(self, name):
        return {"sockname": ("127.0.0.1", 80), "peername": ("127.0.0.1", 5000)}[name]


def connect(app) -> tuple[ServerConnection, Wire, SimpleNamespace]:
    census = SimpleNamespace(connections=set(), tasks=set(), total_requests=0)
    connection, wire = ServerConnection(SimpleNamespace(loaded_app=app), census, {}), Wire()
    connection.connection_made(wire)
    return connection, wire, census


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


def answering(body: bytes = b"hello", status: int = 200, headers=(), pieces=()):
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": status, "headers": [*headers]})
        for piece in pieces:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": body})

    return app


def directly(use):
    """An application that is given the client instead of messages."""

    async def app(scope, receive, send):
        await use(downstream_of(scope, receive, send))

    return app


async def never(*_args) -> None:
    await asyncio.Event().wait()


# the scope and the answer


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


async def test_head_and_body_are_one_write():
    connection, wire, census = connect(answering(headers=[*TEXT, (b"content-length", b"5")]))
    connection.data_received(GET)
    await turns()
    assert wire.writes == [b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 5\r\n\r\nhello"]
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
    assert wire.writes == [b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: %d\r\n\r\n" % size + b"x" * size]


async def test_a_stream_is_a_write_a_piece_and_its_head_goes_with_the_first():
    async def use(client):
        client.begin({"content-type": "text/event-stream"})
        for piece in (b"one", b"", b"seventeen letters"):
            client.write(piece)
        client.end()

    connection, wire, _ = connect(directly(use))
    connection.data_received(post(b"{}"))
    await turns()
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
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
    assert wire.writes == [b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ntransfer-encoding: chunked\r\n\r\n"]
    for task in census.tasks:
        task.cancel()


@pytest.mark.parametrize(
    ("request_", "app", "answer"),
    [
        (GET.replace(b"GET", b"HEAD"), answering(headers=[(b"content-length", b"5")]), b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n"),
        (GET.replace(b"GET", b"HEAD"), answering(), b"HTTP/1.1 200 OK\r\n\r\n"),
        (GET, answering(b"", 204), b"HTTP/1.1 204 No Content\r\n\r\n"),
        (GET, answering(b"", 304), b"HTTP/1.1 304 Not Modified\r\n\r\n"),
        (GET, answering(b"", 299), b"HTTP/1.1 299 \r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"),
        (GET, answering(b"c", pieces=[b"ab"]), b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"),
    ],
)  # fmt: skip
async def test_framing(request_, app, answer):
    connection, wire, _ = connect(app)
    connection.data_received(request_)
    await turns()
    assert wire.out == answer
    assert not wire.closed


async def test_an_old_client_gets_no_chunks_and_the_end_of_its_connection():
    connection, wire, _ = connect(answering(b"c", pieces=[b"ab"]))
    connection.data_received(b"GET / HTTP/1.0\r\nconnection: keep-alive\r\n\r\n")
    await turns()
    assert wire.out == b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nabc"
    assert wire.closed


@pytest.mark.parametrize("end", ["the client", "the application", "the server"])
async def test_a_connection_ends_with_the_answer_that_says_so(end):
    headers = [(b"connection", b"Close")] if end == "the application" else []
    connection, wire, _ = connect(answering(headers=headers))
    connection.is_the_last = end == "the server"
    connection.data_received(GET.replace(b"Host", b"connection: close\r\nhost") if end == "the client" else GET)
    await turns()
    assert wire.out.lower().count(b"connection: close\r\n") == 1
    assert wire.closed


@pytest.mark.parametrize("value", ["a\r\nb: c", "a\nb", "a\rb", "a\0b", "a\x7f"])
async def test_no_header_becomes_two(value):
    with pytest.raises(ValueError, match="control character"):
        head_of(200, [("x", "fine"), ("y", value)])
    connection, wire, _ = connect(answering(headers=[(b"x", value.encode())]))
    connection.data_received(GET)
    await turns()
    assert wire.out.startswith(b"HTTP/1.1 500 ")
    assert value.encode() not in wire.out


def test_a_header_may_hold_what_latin_1_can():
    assert head_of(200, [("x", "caf\u00e9\ta"), ("y", "\u2603")]) == b"HTTP/1.1 200 OK\r\nx: caf\xe9\ta\r\ny: ?\r\n\r\n"


# an application that is wrong


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


# bodies


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


async def test_what_follows_a_chunked_body_is_no_header():
    seen = []

    async def app(scope, receive, send):
        await receive()
        seen.extend(scope["headers"])
        await answering()(scope, receive, send)

    connection, wire, _ = connect(app)
    connection.data_received(
        b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nAuthorization: Bearer x\r\n\r\n"
    )
    await turns()
    assert seen == [(b"host", b"x"), (b"transfer-encoding", b"chunked")]
    assert wire.out.startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("rest", [b"0\r\nx: ", b"2;"], ids=["a trailer", "a chunk's extension"])
async def test_what_stands_around_a_body_has_an_end(rest):
    connection, wire, _ = connect(never)
    connection.data_received(b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n" + rest)
    for _ in range(20):
        connection.data_received(b"x" * 5000)
    await turns()
    assert wire.out.startswith(b"HTTP/1.1 431 ")
    assert wire.ended


# pipelines


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
    connection.shutdown()
    assert not wire.closed
    go.set()
    await turns(20)
    answers = wire.out.split(b"HTTP/1.1 200 OK\r\n")[1:]
    assert [b"connection: close" in answer for answer in answers] == [False, False, True]
    assert wire.closed
    idle, unused, _ = connect(app)
    idle.shutdown()
    assert unused.closed


# hang-ups and back-pressure


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


async def test_who_says_no_more_wants_no_answer():
    connection, _, _ = connect(never)
    assert not connection.eof_received()


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


# patience


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
    assert not wire.closed
    connection.second_passed()
    assert wire.closed


@pytest.mark.parametrize("used", [False, True])
async def test_an_idle_connection_is_closed(used):
    connection, wire, _ = connect(answering())
    if used:
        seconds(connection, IDLE_S)
        connection.data_received(GET)
        await turns()
    seconds(connection, IDLE_S)
    assert not wire.closed
    connection.second_passed()
    assert wire.closed


async def test_an_answer_may_take_its_time_and_so_may_the_next_head_behind_it():
    connection, wire, census = connect(never)
    connection.data_received(GET + b"GET / HT")
    await turns()
    seconds(connection, 10_000)
    assert not wire.closed
    assert not wire.out
    for task in census.tasks:
        task.cancel()


# the two kinds of client


async def test_whoever_wraps_the_messages_is_not_passed_by():
    kinds = []

    async def app(scope, receive, send):
        async def wrapped(message):
            await send(message)

        async def heard():
            return await receive()

        kinds.extend(type(downstream_of(scope, *ways)) for ways in ((receive, send), (receive, wrapped), (heard, send)))
        kinds.append(type(downstream_of({"type": "http"}, receive, send)))
        assert isinstance(scope["extensions"][EXTENSION], ServerExchange)
        await answering()(scope, receive, send)

    connection, _, _ = connect(app)
    connection.data_received(GET)
    await turns()
    assert kinds == [ServerExchange, AsgiDownstream, AsgiDownstream, AsgiDownstream]


async def test_a_client_made_of_messages_says_the_same():
    sent = []

    async def send(message):
        sent.append(message)

    client = AsgiDownstream(never, send)
    assert client.body() is None
    assert client.answer({"x": "y"}, b"body")
    assert not sent
    await client.drain()
    assert sent == [
        {"type": "http.response.start", "status": 200, "headers": [(b"x", b"y"), (b"content-length", b"4")]},
        {"type": "http.response.body", "body": b"body"},
    ]
    sent.clear()
    assert client.begin({})
    assert client.write(b"a")
    await client.drain()
    assert client.end()
    await client.drain()
    assert [message.get("body") for message in sent] == [None, b"a", b""]
    assert [message.get("more_body") for message in sent] == [None, True, None]


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
