"""One client's WebSocket (RFC 6455) after its handshake request: the application sees ASGI's websocket messages.

The frames are parsed and written by websockets' protocol, which has no I/O. A connection has no timers: the server calls
`second_passed`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any, Protocol

import structlog
from websockets.frames import CloseCode, Frame, Opcode
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.utils import accept_key

from octoroute.errors import BadRequest
from octoroute.server.downstream import Message, Scope
from octoroute.server.http1.exchange import Application
from octoroute.server.http1.flow_control import LINGER_S, ConnectionFlow
from octoroute.server.http1.framing import head_of
from octoroute.server.http1.listener import ListenerState

VERSION = "13"
"""Of the protocol."""
DENIAL = "websocket.http.response"
"""ASGI's extension for another response than 101, and the beginning of the names of its messages."""
DRAIN = {"type": "octoroute.drain"}
"""To the application: the process stops. The application finishes its current response, then closes the socket."""
PING_S = 30
"""A ping is sent to a client from which no byte has come for so long."""
SILENCE_S = 75
"""A client from which no byte has come for so long is lost, and its connection is aborted."""
_DATA = frozenset({Opcode.TEXT, Opcode.BINARY, Opcode.CONT})

log = structlog.stdlib.get_logger("octoroute.listening")


def upgrade_required(message: str) -> BadRequest:
    """An error with status 426: the request asks for a WebSocket that is not served, or not in this way."""
    error = BadRequest(message)
    error.status = 426
    error.headers |= {"upgrade": "websocket", "sec-websocket-version": VERSION}
    return error


class ConnectionRegistry(Protocol):
    """uvicorn's view of all connections."""

    connections: set[Any]
    tasks: set[asyncio.Task[None]]


class WebSocketConnection(asyncio.Protocol):
    """The transport's protocol from the handshake on; it calls the application with ASGI's `receive` and `send`."""

    __slots__ = (
        "_accepted",
        "_events",
        "_fragments",
        "_is_text",
        "_protocol",
        "_registry",
        "_scope",
        "_silent_s",
        "flow",
        "listener",
        "transport",
    )

    def __init__(self, transport: asyncio.Transport, listener: ListenerState, registry: ConnectionRegistry, scope: Scope) -> None:
        self.transport = transport
        self.listener = listener
        self.flow = ConnectionFlow(transport)
        self._registry = registry
        self._scope = scope
        self._protocol = ServerProtocol(state=State.OPEN, max_size=listener.settings.max_request_bytes)
        self._accepted = False
        """The handshake is complete: frames may be sent."""
        self._events: asyncio.Queue[Message] = asyncio.Queue()
        """For the application. It takes each one at once, and limits what it keeps."""
        self._fragments: list[bytes] = []
        self._is_text = False
        self._silent_s = 0

    def start(self, app: Application, rest: bytes) -> None:
        """`rest`: what has arrived behind the handshake request."""
        self._registry.connections.add(self)
        self._events.put_nowait({"type": "websocket.connect"})
        task = asyncio.get_running_loop().create_task(self._run(app))
        self._registry.tasks.add(task)
        task.add_done_callback(self._registry.tasks.discard)
        if rest:
            self.data_received(rest)

    async def _run(self, app: Application) -> None:
        try:
            await app(self._scope, self.receive, self.send)
            self._close(CloseCode.NORMAL_CLOSURE, "")
        except asyncio.CancelledError:
            self._close(CloseCode.GOING_AWAY, "the gateway stops")
            raise
        except Exception:
            log.exception("answering failed")
            self._close(CloseCode.INTERNAL_ERROR, "the gateway failed")

    # the transport

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._registry.connections.discard(self)
        self._disconnected(CloseCode.ABNORMAL_CLOSURE)
        self.resume_writing()

    def data_received(self, data: bytes) -> None:
        self._silent_s = 0
        self._protocol.receive_data(data)
        for event in self._protocol.events_received():
            assert isinstance(event, Frame)
            if event.opcode in _DATA:
                self._add(event)
            elif event.opcode is Opcode.CLOSE:
                self._disconnected(CloseCode.NORMAL_CLOSURE)
        if self._protocol.parser_exc is not None:  # the protocol sends a close frame with the reason
            self._disconnected(CloseCode.PROTOCOL_ERROR)
        self._flush()

    def eof_received(self) -> bool:
        """Close the connection: a client that half-closes it expects no more."""
        return False

    def pause_writing(self) -> None:
        self.flow.pause_writing()

    def resume_writing(self) -> None:
        self.flow.resume_writing()

    def second_passed(self) -> None:
        if self.flow.stalled_s(written=True) >= self.listener.settings.client_write_timeout_seconds:
            self.transport.abort()
        self._silent_s += 1
        if self._silent_s >= SILENCE_S or self.flow.is_dead():
            self.transport.abort()
        elif self._silent_s % PING_S == 0 and self._accepted and self._protocol.state is State.OPEN:
            self._protocol.send_ping(b"")
            self._flush()

    def close_if_idle(self, idle_s: float) -> None:
        """Do nothing: the application closes the socket when it has nothing to answer. The interface of a connection."""

    def shutdown(self) -> None:
        """Tell the application that the process stops."""
        self._events.put_nowait(DRAIN)

    # frames

    def _add(self, frame: Frame) -> None:
        """A message may come in several frames; the protocol limits their sum."""
        if frame.opcode is not Opcode.CONT:
            self._is_text = frame.opcode is Opcode.TEXT
        self._fragments.append(bytes(frame.data))
        if not frame.fin:
            return
        data, self._fragments = b"".join(self._fragments), []
        if not self._is_text:
            self._events.put_nowait({"type": "websocket.receive", "bytes": data})
            return
        try:
            self._events.put_nowait({"type": "websocket.receive", "text": data.decode()})
        except UnicodeDecodeError:
            self._protocol.fail(CloseCode.INVALID_DATA, "not valid UTF-8")
            self._disconnected(CloseCode.INVALID_DATA)

    def _disconnected(self, code: int) -> None:
        self._events.put_nowait({"type": "websocket.disconnect", "code": code})

    def _flush(self) -> None:
        """Write what the protocol has to send; its end is b"" (websockets.protocol.SEND_EOF)."""
        if not self._accepted or self.transport.is_closing():
            return
        ends = False
        for data in self._protocol.data_to_send():
            ends = ends or not data
            if data:
                self.transport.write(data)
        if ends and self._protocol.parser_exc is None:  # both sides have sent a close frame
            self.transport.close()
        elif ends or self._protocol.close_expected():
            asyncio.get_running_loop().call_later(LINGER_S, self.transport.close)

    def _close(self, code: int, reason: str) -> None:
        if not self._accepted:
            self.transport.close()
        elif self._protocol.state is State.OPEN:
            self._protocol.send_close(code, reason)
            self._flush()

    # ASGI

    async def receive(self) -> Message:
        return await self._events.get()

    async def send(self, message: Message) -> None:
        kind = message["type"]
        if kind == "websocket.send":
            if self._protocol.state is State.OPEN:
                self._protocol.send_text(message["text"].encode())
                self._flush()
            await self.flow.drain()
        elif kind == "websocket.accept":
            self._accept(message.get("headers", ()))
        elif kind == "websocket.close":
            self._close(message.get("code", CloseCode.NORMAL_CLOSURE), message.get("reason", ""))
        elif kind == f"{DENIAL}.start":
            fields = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in message["headers"]]
            self.transport.write(head_of(message["status"], (*fields, ("connection", "close"))))
        elif kind == f"{DENIAL}.body":
            self.transport.write(message["body"])
            if self.transport.can_write_eof():
                self.transport.write_eof()
            asyncio.get_running_loop().call_later(LINGER_S, self.transport.close)

    def _accept(self, headers: Iterable[tuple[bytes, bytes]]) -> None:
        key = next(value for name, value in self._scope["headers"] if name == b"sec-websocket-key").decode("latin-1")
        fields = {"upgrade": "websocket", "connection": "Upgrade", "sec-websocket-accept": accept_key(key)}
        fields |= {name.decode("latin-1"): value.decode("latin-1") for name, value in headers}
        self.transport.write(head_of(101, fields.items()))
        self._accepted = True
        self._flush()
