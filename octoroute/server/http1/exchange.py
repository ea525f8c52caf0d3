"""One request and its response on a client's connection: ASGI's `receive` and `send`, and the direct `Downstream`.

The head of a response is held back for the moment it takes to write it together with the first piece of the body.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Protocol, TypeAlias

import structlog

from octoroute.dialects.response.errors import openai_envelope
from octoroute.errors import OctorouteError
from octoroute.server.downstream import ClientGone, Message, Receive, ResponseBroken, Scope, Send
from octoroute.server.http1.flow_control import ConnectionFlow
from octoroute.server.http1.framing import ResponseFraming, head_of
from octoroute.server.http1.request_body import CONTINUE, IncomingBody

Application: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

MAX_COPIED_BYTES = 65536
"""A larger body is written separately from its head, because a copy of both in one buffer costs more."""

log = structlog.stdlib.get_logger("octoroute.listening")


class ExchangeConnection(Protocol):
    """The part of a connection that an exchange uses."""

    transport: asyncio.Transport
    loop: asyncio.AbstractEventLoop
    flow: ConnectionFlow

    @property
    def is_the_last(self) -> bool:
        """True if a response that begins now is the last of the connection."""
        ...

    def close(self) -> None: ...

    def cross_origin_fields(self, fields: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
        """The headers of CORS for an error with `fields` that the application has not sent."""
        ...

    def answered(self, exchange: ServerExchange) -> None: ...


class ServerExchange:
    """One request and its response; implements `Downstream` and ASGI's callables."""

    __slots__ = (
        "_bodiless",
        "_connection",
        "_framing",
        "_old",
        "_watched",
        "complete",
        "disconnected",
        "gone",
        "keep_alive",
        "request_body",
        "started",
        "task",
    )

    def __init__(
        self, connection: ExchangeConnection, headers: list[tuple[bytes, bytes]], *, bodiless: bool, keep_alive: bool, old: bool
    ) -> None:
        """`bodiless`: the response has no body (HEAD). `old`: the client speaks HTTP/1.0."""
        self._connection = connection
        self._bodiless = bodiless
        self._old = old
        self.keep_alive = keep_alive
        self.task: asyncio.Task[None] | None = None
        self._watched = False
        self.gone = False
        self.disconnected = False
        """The connection is closed."""
        self.request_body = IncomingBody(connection.flow, headers)
        self.started = False
        self.complete = False
        """The whole response has been written."""
        self._framing: ResponseFraming | None = None
        """None: the response has not started, or it is written at once."""

    async def run(self, app: Application, scope: Scope, tasks: set[asyncio.Task[None]]) -> None:
        try:
            await app(scope, self.receive, self.send)
            if not self.complete and not self.disconnected:
                raise RuntimeError("the application returned without a response")  # noqa: TRY301 - logged like any other bug
        except asyncio.CancelledError:
            self._fail()
            raise
        except ResponseBroken:
            self._fail()
        except Exception:
            log.exception("answering failed")
            self._fail()
        finally:
            assert self.task is not None
            tasks.discard(self.task)
            self.task = None

    def _fail(self) -> None:
        """Send a 500, or close the connection if the response has started."""
        if self.disconnected or self.complete:
            return
        if self.started:
            self._connection.transport.close()
            return
        body = openai_envelope(OctorouteError("the gateway failed"))
        self.keep_alive = False
        fields = [("content-type", "application/json"), ("content-length", str(len(body)))]
        self._start(500, [*fields, *self._connection.cross_origin_fields(fields)])
        self.end(body)

    # the client

    def lost(self) -> None:
        """Record that the connection is closed, and cancel the task if it watches for that."""
        self.disconnected = True
        self.request_body.wake()
        if self._watched and not self.complete and self.task is not None:
            self.gone = True
            self.task.cancel()

    def watch_disconnect(self) -> None:
        self._watched = True
        if not self._connection.flow.is_read:
            self._connection.flow.resume_reading()  # the end of a connection that is not read goes unnoticed

    def unwatch_disconnect(self) -> None:
        self._watched = False

    # the request

    def body(self) -> bytes | None:
        if self.disconnected:
            raise ClientGone
        return self.request_body.take_all()

    async def receive(self) -> Message:
        body = self.request_body
        while not (self.disconnected or self.complete):
            if body.can_be_taken:
                return {"type": "http.request", "body": body.take(), "more_body": not body.complete}
            if not self.started and body.expects_continue():
                self._connection.transport.write(CONTINUE)
            await body.wait()
        return {"type": "http.disconnect"}

    # the response

    async def send(self, message: Message) -> None:
        if self._connection.flow.paused and not self.disconnected:
            await self._connection.flow.drain()
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
            raise RuntimeError(f"{kind!r} was sent out of order")

    def answer(self, headers: Mapping[str, str], body: bytes) -> bool:
        if self._connection.is_the_last:
            self.keep_alive = False
        closing = () if self.keep_alive else (("connection", "close"),)
        head = head_of(200, (*headers.items(), ("content-length", str(len(body))), *closing))
        self.started = True
        if not self.disconnected:
            transport = self._connection.transport
            if self._bodiless:
                transport.write(head)
            elif len(body) > MAX_COPIED_BYTES:
                transport.writelines((head, body))
            else:
                transport.write(head + body)
        self._completed()
        return False

    def begin(self, headers: Mapping[str, str]) -> bool:
        self._start(200, headers.items())
        self._connection.loop.call_soon(self._flush)
        return False

    def _start(self, status: int, fields: Iterable[tuple[str, str]]) -> None:
        fields = list(fields)
        if any(name == "connection" and "close" in value.lower() for name, value in fields):
            self.keep_alive = False
        elif not self.keep_alive or self._connection.is_the_last:
            self.keep_alive = False
            fields.append(("connection", "close"))
        self._framing = ResponseFraming(status, fields, bodiless=self._bodiless, old=self._old)
        self.started = True

    def write(self, piece: bytes) -> bool:
        assert self._framing is not None
        data = self._framing.encode(piece)
        if data and not self.disconnected:
            self._connection.transport.write(data)
        return self._connection.flow.paused

    def end(self, piece: bytes = b"") -> bool:
        assert self._framing is not None
        data = self._framing.encode_last(piece)
        if data and not self.disconnected:
            self._connection.transport.write(data)
        self._completed()
        return False

    async def drain(self) -> None:
        await self._connection.flow.drain()

    def _flush(self) -> None:
        """Write the head if no piece of the body has come in the meantime."""
        assert self._framing is not None
        head = self._framing.take_head()
        if head and not self.disconnected:
            self._connection.transport.write(head)

    def _completed(self) -> None:
        self.complete = True
        self.request_body.wake()
        if not self.keep_alive:
            transport = self._connection.transport
            if self._connection.flow.is_read and transport.can_write_eof():
                transport.close()
            else:  # more has arrived, which would reset the connection; or it is TLS
                self._connection.close()
        self._connection.answered(self)
