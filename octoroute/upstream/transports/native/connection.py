"""One connection: bytes in, a response out. Irregular bytes end the connection and never reach another response."""

from __future__ import annotations

import asyncio
import select
import socket
import sys
from collections.abc import Callable
from functools import lru_cache
from typing import Protocol, cast

import httptools

from octoroute.errors import BadUpstreamResponse
from octoroute.upstream.transports.failures import CUT, NONSENSE, SILENT, VANISHED, bad_response, has_vanished
from octoroute.upstream.transports.native.exchange import ClientExchange
from octoroute.upstream.transports.peer_liveness import (
    DEAD_S,
    LONG_BYTES,
    LongRequestWatch,
    limit_unacknowledged,
    unacknowledged_bytes,
)
from octoroute.upstream.transports.request import REPEATABLE

READ_BYTES = 64 * 1024
_HIGH_WATER = 16 * 1024
"""Reading stops above it, so a slow reader costs at most _HIGH_WATER + READ_BYTES."""
_MAX_HEAD_BYTES = 64 * 1024
"""Bytes that may come without a byte of body: heads, interim responses, chunk extensions, trailers."""
_MAX_FIELD_BYTES = 32 * 1024
_MAX_FIELDS = 128
_CACHED_NAME_BYTES = 64
"""Longer header names are rare, and not cached."""


@lru_cache(256)
def _lower(name: bytes) -> str:
    """Cached: servers send the same few names."""
    return name.decode("latin-1").lower()


class ConnectionOwner(Protocol):
    def release(self, connection: ClientConnection) -> None: ...
    def lost(self, connection: ClientConnection) -> None: ...


class ClientConnection(asyncio.BufferedProtocol):
    __slots__ = (
        "_answered", "_dirty", "_exchange", "_fields", "_interim", "_method", "_owner", "_parser", "_poll", "_room",
        "_sent", "_sock", "_to_eof", "_transport", "_unproductive", "_used", "loop", "paused",
    )  # fmt: skip

    def __init__(self, owner: ConnectionOwner, sock: socket.socket, room: memoryview) -> None:
        """`room`: READ_BYTES that all connections of a loop read into; nothing stays there after `buffer_updated`."""
        self._owner = owner
        self.loop = asyncio.get_running_loop()
        self._room = room
        self._sock = sock
        self._exchange: ClientExchange | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._poll: Callable[[int], object]
        self._answered = self._dirty = self._interim = self.paused = self._to_eof = self._used = False
        self._fields: dict[str, str] = {}
        self._method = ""
        self._sent = self._unproductive = 0

    # called by the pool and the transport

    def begin(self, method: str, head: bytes, body: bytes) -> ClientExchange:
        exchange = self._exchange = ClientExchange(self)
        self._method = method
        self._fields = {}
        self._answered = self._to_eof = False
        self._unproductive = 0
        self._sent = len(head) + len(body)
        if body:
            self._transport.writelines((head, body))
            if self._sent > LONG_BYTES:
                LongRequestWatch(
                    self._sock,
                    is_under_way=lambda: self._exchange is exchange and not exchange.has_head,
                    unsent_bytes=self._transport.get_write_buffer_size,
                    lost=lambda: self.fail(bad_response(VANISHED)),
                )
        else:
            self._transport.write(head)
        return exchange

    @property
    def address(self) -> str:
        """Of the server."""
        name = cast("tuple[str, int] | None", self._transport.get_extra_info("peername"))
        return name[0] if name else ""

    def is_usable(self) -> bool:
        """Whether an idle connection may be used: it is open, and neither its end nor unexpected bytes wait in the kernel."""
        return not self._poll(0) and not self._transport.is_closing()

    def drop(self) -> None:
        """Close it now, whatever is under way."""
        self._exchange = None
        self._transport.abort()

    def fail(self, fault: BadUpstreamResponse) -> None:
        exchange = self._exchange
        self.drop()
        if exchange is not None:
            exchange.end(fault)

    def resume(self) -> None:
        self.paused = False
        self._transport.resume_reading()

    # called by asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        watch = select.poll()
        watch.register(self._sock, select.POLLIN | select.POLLPRI)
        self._poll = watch.poll

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002
        return self._room

    def buffer_updated(self, nbytes: int) -> None:
        exchange = self._exchange
        if exchange is None:  # bytes after the end of a response are not the next one
            self._transport.abort()
            return
        self._unproductive += nbytes
        try:
            self._parser.feed_data(self._room[:nbytes])
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            if not self._answered:
                self.fail(bad_response(NONSENSE, error))
                return
            self._dirty = True
        if self._answered:
            self._finish(exchange)
        elif self._unproductive > _MAX_HEAD_BYTES:
            self.fail(bad_response(NONSENSE))
        elif exchange.has_head:
            if exchange.sink is not None:
                if exchange.buffer:
                    exchange.deliver(exchange.sink)
                return
            if exchange.size > _HIGH_WATER and not self.paused:
                self.paused = True
                self._transport.pause_reading()
            if exchange.waiter is not None:
                exchange.wake()

    def _finish(self, exchange: ClientExchange) -> None:
        self._exchange = None
        transport = self._transport
        # A server may respond before it has read the whole request; it would read the rest as its next one.
        if not (self._dirty or transport.get_write_buffer_size() or transport.is_closing()):
            if self.paused:
                self.resume()
            self._used = True
            self._owner.release(self)
        else:
            transport.abort()
        exchange.end()

    def eof_received(self) -> None:
        self._over(None, self._used and self._unacknowledged() >= self._sent)
        self._transport.abort()  # the peer sends no more, so it needs no more of the request

    def connection_lost(self, exc: Exception | None) -> None:
        self._over(exc)
        del self._parser  # breaks the reference cycle, which the garbage collector would have to find
        self._owner.lost(self)

    def _over(self, error: Exception | None, unread: bool = False) -> None:
        exchange, self._exchange = self._exchange, None
        if exchange is None:
            return
        if exchange.has_head and self._to_eof and error is None:
            exchange.end()
        elif has_vanished(error):  # nor is it asked again: the wait for its next connection would be as long
            exchange.end(bad_response(VANISHED, error))
        elif exchange.has_head or self._unproductive:
            exchange.end(bad_response(CUT, error))
        else:
            exchange.unread = unread or (self._used and self._method in REPEATABLE)
            exchange.end(bad_response(SILENT, error))

    def _unacknowledged(self) -> int:
        """Bytes that the peer's kernel has not acknowledged; -1: not known.

        A request that got no byte of a response from a used connection may be sent again if no server can have begun work
        on it. An idempotent one always may. A POST only if the connection ended with a FIN and this is at least
        the request's length: a FIN acknowledges all that arrived before it, so the peer had closed before the first byte came,
        and no server has read it or will. A RST proves nothing (its acknowledgement is not heeded), TLS adds bytes of its
        own, and other kernels are not asked: such requests fail with BadUpstreamResponse.
        """
        if sys.platform != "linux" or self._transport.get_extra_info("sslcontext") is not None:
            return -1
        try:
            return unacknowledged_bytes(self._sock) + self._transport.get_write_buffer_size()
        except (OSError, ValueError):
            return -1

    # called by httptools

    def on_message_begin(self) -> None:
        if self._answered:
            self._dirty = True

    def on_header(self, name: bytes, value: bytes) -> None:
        key = _lower(name) if len(name) <= _CACHED_NAME_BYTES else name.decode("latin-1").lower()
        fields = self._fields
        if key in fields:
            fields[key] += ", " + value.decode("latin-1")
        else:
            fields[key] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        exchange = self._exchange
        if exchange is None or self._answered:
            raise ValueError("a response without a request")
        fields, self._fields = self._fields, {}  # trailers go into the new one, and are dropped with it
        if len(fields) > _MAX_FIELDS or (
            self._unproductive > _MAX_FIELD_BYTES and sum(map(len, fields)) + sum(map(len, fields.values())) > _MAX_FIELD_BYTES
        ):
            raise ValueError("too many headers")
        status = self._parser.get_status_code()
        if status < 100:  # the parser would read a body after it, and the real body would begin with that
            raise ValueError("not a valid status")
        if status < 200:
            self._interim = True  # 101 too: the parser ends itself after it
            return
        coding = fields.get("transfer-encoding")
        if coding is None:
            self._to_eof = "content-length" not in fields and status not in {204, 304}
        elif coding.lower() != "chunked":  # the parser would take all bytes up to the connection's end for the body
            raise ValueError("an unknown transfer-encoding")
        if self._sent > LONG_BYTES:
            limit_unacknowledged(self._sock, DEAD_S)
        exchange.status = status
        exchange.headers = fields
        exchange.has_head = True
        if self._method == "HEAD":  # the parser cannot know, and waits for a body: this connection is of no further use
            self._answered = self._dirty = True

    def on_body(self, data: bytes) -> None:
        exchange = self._exchange
        if exchange is None or self._answered:
            return
        self._unproductive = 0
        exchange.buffer.append(data)
        exchange.size += len(data)

    def on_message_complete(self) -> None:
        if self._interim:
            self._interim = False
        else:
            self._answered = True
            if not self._parser.should_keep_alive():
                self._dirty = True
