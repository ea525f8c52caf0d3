"""One request and its answer on a client's connection: ASGI's `receive` and `send`, and the shorter way of `api.client`.

The head of an answer is kept back for the moment it takes to write it together with the body's first piece.
"""

from __future__ import annotations

import asyncio
import http
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Protocol, TypeAlias

import structlog

from octoroute.dialects.response.errors import openai_envelope
from octoroute.errors import OctorouteError
from octoroute.server.downstream import ClientGone, Message, Receive, Scope, Send

Application: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

HELD_BYTES = 65536
"""How much of a body may wait to be read before its connection is read no further."""
COPIED_BYTES = 65536
"""A larger body is not copied to stand in one buffer with its head."""
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_UNSAFE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in http.HTTPStatus}
_BODILESS = frozenset({204, 304})
_FRAMING = frozenset({"content-length", "transfer-encoding", "connection"})

log = structlog.stdlib.get_logger("octoroute.listening")


def head_of(status: int, fields: Iterable[tuple[str, str]]) -> bytes:
    """Raises ValueError for what would not stay one field."""
    lines = list(map(": ".join, fields))
    text = "".join(lines)
    if not text.isprintable() and _UNSAFE.search(text):
        raise ValueError("a header holds a control character")
    lines.append("")
    line = _STATUS_LINES.get(status) or b"HTTP/1.1 %d \r\n" % status
    return line + "\r\n".join(lines).encode("latin-1", "replace") + b"\r\n"


class ExchangeConnection(Protocol):
    transport: asyncio.Transport
    loop: asyncio.AbstractEventLoop
    is_read: bool
    paused: bool
    """What was written waits to be sent."""

    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...
    def answered(self, exchange: ServerExchange) -> None: ...
    async def drain(self) -> None: ...


class ServerExchange:
    __slots__ = (
        "_chunked",
        "_connection",
        "_head",
        "_headers",
        "_held",
        "_is_taken",
        "_left",
        "_mute",
        "_news",
        "_old",
        "_pieces",
        "_transport",
        "_watched",
        "complete",
        "disconnected",
        "gone",
        "keep_alive",
        "more_body",
        "started",
        "task",
    )

    def __init__(
        self, connection: ExchangeConnection, headers: list[tuple[bytes, bytes]], *, mute: bool, keep_alive: bool, old: bool
    ) -> None:
        """`mute`: the answer has no body whatever it says (HEAD). `old`: HTTP/1.0, which knows no chunks."""
        self._connection = connection
        self._transport = connection.transport
        self._headers = headers
        self._mute = mute
        self._old = old
        self.keep_alive = keep_alive
        self.task: asyncio.Task[None] | None = None
        self._watched = False
        self.gone = False
        self.disconnected = False

        self._pieces: list[bytes] = []
        self._held = 0
        self.more_body = True
        self._is_taken = False
        self._news: asyncio.Event | None = None

        self.started = False
        self.complete = False
        self._head = b""
        self._chunked = False
        self._left: int | None = None

    async def run(self, app: Application, scope: Scope, tasks: set[asyncio.Task[None]]) -> None:
        try:
            await app(scope, self.receive, self.send)
            if not self.complete and not self.disconnected:
                raise RuntimeError("the application returned without an answer")  # noqa: TRY301 - it is told as any other bug
        except asyncio.CancelledError:
            self._fail()
            raise
        except Exception:
            log.exception("answering failed")
            self._fail()
        finally:
            assert self.task is not None
            tasks.discard(self.task)
            self.task = None

    def _fail(self) -> None:
        if self.disconnected or self.complete:
            return
        if self.started:
            self._transport.close()
            return
        body = openai_envelope(OctorouteError("the gateway failed"))
        self.keep_alive = False
        self._start(500, [("content-type", "application/json"), ("content-length", str(len(body)))])
        self.end(body)

    # the client

    def lost(self) -> None:
        """There is nobody any more who could read an answer."""
        self.disconnected = True
        self._head = b""
        if self._news is not None:
            self._news.set()
        if self._watched and not self.complete and self.task is not None:
            self.gone = True
            self.task.cancel()

    def watch_disconnect(self) -> None:
        self._watched = True
        if not self._connection.is_read:
            self._connection.resume_reading()  # a connection that is not read does not tell that it has ended

    def unwatch_disconnect(self) -> None:
        self._watched = False

    # the question

    def feed_body(self, data: bytes) -> None:
        self._pieces.append(data)
        self._held += len(data)
        if self._held > HELD_BYTES:
            self._connection.pause_reading()
        if self._news is not None:
            self._news.set()

    def body_complete(self) -> None:
        self.more_body = False
        if self._news is not None:
            self._news.set()

    def _take(self) -> bytes:
        pieces = self._pieces
        body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        self._held = 0
        self._is_taken = not self.more_body
        return body

    def body(self) -> bytes | None:
        if self.disconnected:
            raise ClientGone
        return None if self.more_body or self._is_taken else self._take()

    async def receive(self) -> Message:
        while not (self.disconnected or self.complete):
            if self._pieces or not (self.more_body or self._is_taken):
                return {"type": "http.request", "body": self._take(), "more_body": self.more_body}
            await self._wait()
        return {"type": "http.disconnect"}

    async def _wait(self) -> None:
        if self._headers and self.more_body and not self.started:
            if any(name == b"expect" and value.lower() == b"100-continue" for name, value in self._headers):
                self._transport.write(CONTINUE)
            self._headers = []
        self._connection.resume_reading()
        if self._news is None:
            self._news = asyncio.Event()
        self._news.clear()
        await self._news.wait()

    # the answer

    async def send(self, message: Message) -> None:
        if self._connection.paused and not self.disconnected:
            await self._connection.drain()
        kind = message["type"]
        if kind == "http.response.start" and not self.started:
            fields = [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in message.get("headers", ())]
            self._start(message["status"], fields)
            self._connection.loop.call_soon(self._flush)
        elif kind == "http.response.body" and self.started and not self.complete:
            if message.get("more_body", False):
                self.write(message.get("body", b""))
            else:
                self.end(message.get("body", b""))
        else:
            raise RuntimeError(f"{kind!r} was sent out of turn")

    def answer(self, headers: Mapping[str, str], body: bytes) -> bool:
        closing = () if self.keep_alive else (("connection", "close"),)
        head = head_of(200, (*headers.items(), ("content-length", str(len(body))), *closing))
        self.started = True
        if not self.disconnected:
            if self._mute:
                self._transport.write(head)
            elif len(body) > COPIED_BYTES:
                self._transport.writelines((head, body))
            else:
                self._transport.write(head + body)
        self._completed()
        return False

    def begin(self, headers: Mapping[str, str]) -> bool:
        self._start(200, headers.items())
        self._connection.loop.call_soon(self._flush)
        return False

    def _start(self, status: int, fields: Iterable[tuple[str, str]]) -> None:
        said = list(fields)
        framing = {name: value for name, value in said if name in _FRAMING}
        if "close" in framing.get("connection", "").lower():
            self.keep_alive = False
        elif not self.keep_alive:
            said.append(("connection", "close"))
        self._mute = self._mute or status in _BODILESS
        if "content-length" in framing:
            self._left = int(framing["content-length"])
        elif not self._mute and not self._old:  # an old client's answer ends with its connection
            self._chunked = True
            if "transfer-encoding" not in framing:
                said.append(("transfer-encoding", "chunked"))
        self._head = head_of(status, said)
        self.started = True

    def write(self, piece: bytes) -> bool:
        if piece and not self._mute:
            if self._chunked:
                piece = b"%x\r\n%b\r\n" % (len(piece), piece)
            elif self._left is not None:
                self._count(piece)
            if self._head:
                piece, self._head = self._head + piece, b""
            if not self.disconnected:
                self._transport.write(piece)
        return self._connection.paused

    def end(self, piece: bytes = b"") -> bool:
        if self._mute:
            piece = b""
        elif self._chunked:
            piece = b"%x\r\n%b\r\n0\r\n\r\n" % (len(piece), piece) if piece else b"0\r\n\r\n"
        elif self._left is not None:
            self._count(piece)
            if self._left:
                raise RuntimeError("the answer is shorter than its content-length")
        if self._head or piece:
            piece, self._head = self._head + piece, b""
            self._write(piece)
        self._completed()
        return False

    async def drain(self) -> None:
        await self._connection.drain()

    def _count(self, piece: bytes) -> None:
        assert self._left is not None
        self._left -= len(piece)
        if self._left < 0:
            raise RuntimeError("the answer is longer than its content-length")

    def _flush(self) -> None:
        if self._head:
            self._write(self._head)
            self._head = b""

    def _write(self, data: bytes) -> None:
        if not self.disconnected:
            self._transport.write(data)

    def _completed(self) -> None:
        self.complete = True
        if self._news is not None:
            self._news.set()
        if not self.keep_alive:
            self._transport.close()
        self._connection.answered(self)
