"""The frames of one WebSocket, without a network."""

from __future__ import annotations

import asyncio

import pytest
from websockets.client import ClientProtocol
from websockets.frames import Opcode
from websockets.protocol import State
from websockets.uri import parse_uri

from octoroute.server.http1.listener import ListenerState
from octoroute.server.http1.web_socket import DRAIN, PING_S, SILENCE_S, WebSocketConnection, upgrade_required


class Transport:
    def __init__(self) -> None:
        self.written = b""
        self.closed = self.aborted = False

    def write(self, data: bytes) -> None:
        self.written += data

    def get_write_buffer_size(self) -> int:
        return 0

    def get_extra_info(self, name: str) -> None:
        """It has no socket."""

    def is_closing(self) -> bool:
        return self.closed

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        pass

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.aborted = self.closed = True


class Registry:
    def __init__(self) -> None:
        self.connections: set = set()
        self.tasks: set = set()


class Client:
    """A client's protocol at the other end."""

    def __init__(self, app) -> None:
        self.transport, self.registry = Transport(), Registry()
        scope = {"type": "websocket", "headers": [(b"sec-websocket-key", b"dGhlIHNhbXBsZSBub25jZQ==")]}
        self.server = WebSocketConnection(self.transport, ListenerState(), self.registry, scope)  # type: ignore[arg-type]
        self.protocol = ClientProtocol(parse_uri("ws://x/"), state=State.OPEN)
        self.server.start(app, b"")

    def flush(self) -> None:
        data = b"".join(self.protocol.data_to_send())
        if data:
            self.server.data_received(data)

    async def frames(self) -> list:
        """What has come, without the response to the handshake."""
        await asyncio.sleep(0.01)
        _, _, data = self.transport.written.rpartition(b"\r\n\r\n")
        self.transport.written = b"\r\n\r\n"
        self.protocol.receive_data(data)
        return self.protocol.events_received()


async def echo(scope, receive, send) -> None:
    assert (await receive())["type"] == "websocket.connect"
    await send({"type": "websocket.accept", "headers": [(b"x-a", b"b")]})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": message["text"]})
    if message == DRAIN:
        await send({"type": "websocket.close", "code": 1001, "reason": "bye"})
        assert (await receive())["type"] == "websocket.disconnect"


async def test_the_handshake_and_an_echo():
    client = Client(echo)
    await asyncio.sleep(0)
    assert client.transport.written.startswith(b"HTTP/1.1 101 ")
    assert b"sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" in client.transport.written
    assert b"x-a: b\r\n" in client.transport.written
    client.protocol.send_text("h\u00e9".encode())
    client.flush()
    [frame] = await client.frames()
    assert (frame.opcode, frame.data) == (Opcode.TEXT, "h\u00e9".encode())


async def test_a_close_is_answered_and_ends_the_connection():
    client = Client(echo)
    await client.frames()
    client.protocol.send_close(1000, "done")
    client.flush()
    [frame] = await client.frames()
    assert frame.opcode is Opcode.CLOSE
    assert client.transport.closed
    client.server.connection_lost(None)
    assert not client.registry.connections
    assert not client.registry.tasks


async def test_a_drain_is_passed_to_the_application():
    client = Client(echo)
    await client.frames()
    client.server.shutdown()
    [frame] = await client.frames()
    assert (frame.opcode, client.protocol.close_rcvd.code) == (Opcode.CLOSE, 1001)
    client.flush()
    await asyncio.sleep(0.01)
    assert client.transport.closed
    assert not client.registry.tasks


async def test_silence_is_broken_by_a_ping_and_ended_by_an_abort():
    client = Client(echo)
    await client.frames()
    for _ in range(PING_S):
        client.server.second_passed()
    [frame] = await client.frames()
    assert frame.opcode is Opcode.PING
    client.flush()  # the pong
    for _ in range(SILENCE_S - 1):
        client.server.second_passed()
    assert not client.transport.aborted
    client.server.second_passed()
    assert client.transport.aborted


async def test_an_application_that_fails_closes_with_1011_and_one_that_returns_with_1000():
    async def fails(scope, receive, send) -> None:
        await send({"type": "websocket.accept"})
        raise RuntimeError("secret")

    async def returns(scope, receive, send) -> None:
        await send({"type": "websocket.accept"})

    for app, code in ((fails, 1011), (returns, 1000)):
        client = Client(app)
        await client.frames()
        assert client.protocol.close_rcvd.code == code
        assert "secret" not in str(client.protocol.close_rcvd.reason)


async def test_a_denial_is_a_plain_response():
    async def deny(scope, receive, send) -> None:
        await send({"type": "websocket.http.response.start", "status": 404, "headers": [(b"content-length", b"2")]})
        await send({"type": "websocket.http.response.body", "body": b"no"})

    client = Client(deny)
    await asyncio.sleep(0.01)
    head, _, body = client.transport.written.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 404 ")
    assert b"connection: close" in head
    assert body == b"no"


@pytest.mark.parametrize("lost", [False, True])
async def test_nothing_is_sent_after_the_end(lost):
    client = Client(echo)
    await client.frames()
    if lost:
        client.transport.closed = True
        client.server.connection_lost(None)
    else:
        client.protocol.send_close(1000)
        client.flush()
    before = client.transport.written
    await client.server.send({"type": "websocket.send", "text": "late"})
    assert client.transport.written == before


def test_an_upgrade_that_is_required_names_the_protocol():
    assert upgrade_required("x").headers == {"upgrade": "websocket", "sec-websocket-version": "13"}
