"""One client's connection: HTTP/1.1 off the wire, each request an ASGI call, answers in the order of their requests.

uvicorn makes it, counts it, and tells it to end; of uvicorn it uses nothing but the places where that is done. A connection has
no timers: it is told of every second that passes.
"""

from __future__ import annotations

import asyncio
import urllib.parse
from collections import deque
from functools import lru_cache
from typing import Any, Protocol, cast

import httptools

from octoroute.dialects.response.errors import openai_envelope
from octoroute.errors import BadRequest, ClientError, HeadersTooLarge, TooLate
from octoroute.server.downstream import EXTENSION, Scope
from octoroute.server.guard import MAX_HEADER_BYTES
from octoroute.server.http1.exchange import Application, ServerExchange, head_of

HEAD_S = 30
"""From a request's first byte to the end of its headers."""
BODY_S = 60
"""Without a byte of a body that is waited for."""
IDLE_S = 75
"""Between an answer and the next request, or before the first."""
WRITE_BYTES = 32 * 1024
"""How much may wait for a client to read it before its endpoint waits, too."""
LINGER_S = 2.0
"""How long a refused client may go on sending."""
_MAX_HEAD_BYTES = 2 * MAX_HEADER_BYTES


class ServerConfig(Protocol):
    """What of uvicorn's configuration is used here."""

    @property
    def loaded_app(self) -> Any: ...


class ServerState(Protocol):
    """What uvicorn's server knows of us all."""

    total_requests: int
    connections: set[Any]
    tasks: set[asyncio.Task[None]]


def _target(url: bytes) -> tuple[str, bytes, bytes]:
    """Path, raw path, and query; also of a URL in absolute form. Raises for what is none, which the parser makes an error of."""
    parsed = httptools.parse_url(url)
    path = parsed.path.decode("ascii")
    return urllib.parse.unquote(path) if "%" in path else path, parsed.path, parsed.query or b""


_ROUTE_BYTES = 64
"""Longer targets are no routes of ours, and a client may invent as many as it likes: they are not remembered."""
_route = lru_cache(256)(_target)


class ServerConnection(asyncio.Protocol):
    __slots__ = (
        "_app",
        "_census",
        "_current",
        "_declined",
        "_headers",
        "_in_head",
        "_parser",
        "_peers",
        "_queue",
        "_receiving",
        "_refused",
        "_state",
        "_unfinished_bytes",
        "_url",
        "_waited_s",
        "_writable",
        "is_read",
        "is_the_last",
        "loop",
        "paused",
        "transport",
    )
    transport: asyncio.Transport

    def __init__(
        self,
        config: ServerConfig,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self._app: Application = config.loaded_app
        self._census = server_state
        self._state = app_state
        self.loop = _loop or asyncio.get_running_loop()
        self._parser = self._new_parser()
        self.is_the_last = False
        """This connection is closed with the next answer."""
        self._refused = False
        self._waited_s = 0

        self._declined = b""
        self._in_head = False
        self._unfinished_bytes = 0
        """Of a head, or of what stands around a body's chunks: nothing came of them yet, so nobody has measured them."""
        self._url = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._receiving: ServerExchange | None = None
        self._current: ServerExchange | None = None
        self._queue: deque[tuple[ServerExchange, Scope]] = deque()

        self.is_read = True
        self.paused = False
        self._writable: asyncio.Event | None = None

    def _new_parser(self) -> httptools.HttpRequestParser:
        parser = httptools.HttpRequestParser(self)
        parser.set_dangerous_leniencies(lenient_data_after_close=True)  # otherwise it would cost the answer before it
        return parser

    # the transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's are none by descent
        self.transport.set_write_buffer_limits(WRITE_BYTES)
        self._peers = _address(self.transport, "sockname"), _address(self.transport, "peername")
        self._census.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._census.connections.discard(self)
        if self._current is not None:
            self._current.lost()
        self._queue.clear()
        self.resume_writing()
        del self._parser

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        self._unfinished_bytes += len(data)
        try:
            self._feed(data)
        except httptools.HttpParserError:
            self._refuse(BadRequest("the request is not valid HTTP/1.1"))
            return
        if self._unfinished_bytes > _MAX_HEAD_BYTES:
            self._refuse(HeadersTooLarge(f"the request's headers are longer than {_MAX_HEAD_BYTES} bytes"))

    def _feed(self, data: bytes) -> None:
        """The parser believes that an offer to speak another protocol (`upgrade`) is always taken up, and forgets the body: so
        it is given such a request again, without the offer.
        """
        while data:
            try:
                self._parser.feed_data(data)
            except httptools.HttpParserUpgrade as offer:
                data = self._declined + data[offer.args[0] :] if self._declined else b""
                self._declined = b""
                self._parser = self._new_parser()
            else:
                return

    def eof_received(self) -> bool:
        """Who says no more wants no answer."""
        return False

    def pause_writing(self) -> None:
        self.paused = True
        if self._writable is None:
            self._writable = asyncio.Event()
        self._writable.clear()

    def resume_writing(self) -> None:
        self.paused = False
        if self._writable is not None:
            self._writable.set()

    async def drain(self) -> None:
        if self.paused and self._writable is not None:
            await self._writable.wait()

    def pause_reading(self) -> None:
        if self.is_read:
            self.is_read = False
            self.transport.pause_reading()

    def resume_reading(self) -> None:
        if not self.is_read and not self.transport.is_closing():
            self.is_read = True
            self.transport.resume_reading()

    # the parser

    def on_message_begin(self) -> None:
        self._in_head = True
        self._waited_s = self._unfinished_bytes = 0
        self._url = b""
        self._headers = []

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_head:  # what comes after a body is no header: nobody has checked it
            self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._waited_s = self._unfinished_bytes = 0
        parser = self._parser
        version = parser.get_http_version()
        method = parser.get_method().decode("ascii")
        if parser.should_upgrade() and method != "CONNECT":
            self._declined = self._without_offer(method, version)
            return
        path, raw_path, query = (_route if len(self._url) <= _ROUTE_BYTES else _target)(self._url)
        self._receiving = exchange = ServerExchange(
            self,
            self._headers,
            mute=method == "HEAD",
            keep_alive=version != "1.0" and method != "CONNECT" and not self.is_the_last and parser.should_keep_alive(),
            old=version == "1.0",
        )
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": version,
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": raw_path,
            "query_string": query,
            "root_path": "",
            "headers": self._headers,
            "server": self._peers[0],
            "client": self._peers[1],
            "state": self._state.copy(),
            "extensions": {EXTENSION: exchange},
        }
        if self._current is None:
            self._start(exchange, scope)
        else:
            self.pause_reading()
            self._queue.append((exchange, scope))

    def _without_offer(self, method: str, version: str) -> bytes:
        lines = [b"%b: %b\r\n" % field for field in self._headers if field[0] != b"upgrade"]
        return b"%b %b HTTP/%b\r\n%b\r\n" % (method.encode(), self._url, version.encode(), b"".join(lines))

    def on_body(self, body: bytes) -> None:
        self._waited_s = self._unfinished_bytes = 0
        if self._receiving is not None and not self._receiving.complete:
            self._receiving.feed_body(body)

    def on_message_complete(self) -> None:
        if self._receiving is not None:
            self._receiving.body_complete()
            self._receiving = None

    # the exchanges

    def _start(self, exchange: ServerExchange, scope: Scope) -> None:
        self._current = exchange
        tasks = self._census.tasks
        exchange.task = task = self.loop.create_task(exchange.run(self._app, scope, tasks))
        tasks.add(task)

    def answered(self, exchange: ServerExchange) -> None:
        del exchange
        self._census.total_requests += 1
        self._current = None
        self._waited_s = 0
        if self.transport.is_closing():
            return
        if not self.is_read:
            self.resume_reading()
        if self._queue:
            self._start(*self._queue.popleft())

    def shutdown(self) -> None:
        """The server stops: what has been asked is answered."""
        if self._current is None:
            self.transport.close()
        else:
            last = self._queue[-1][0] if self._queue else self._current
            last.keep_alive = False

    def second_passed(self) -> None:
        """A second in which the client had nothing to wait for is one in which we waited for the client."""
        if self._refused:
            return
        if self._current is not None:
            if self._current.more_body and self.is_read:
                self._wait(BODY_S, "the request's body has stopped to come")
        elif self._in_head:
            self._wait(HEAD_S, "the request's headers did not come to an end")
        elif self._receiving is not None:
            self._wait(BODY_S, None)
        else:
            self._wait(IDLE_S, None)

    def _wait(self, most_s: int, complaint: str | None) -> None:
        self._waited_s += 1
        if self._waited_s <= most_s:
            return
        if complaint is None:
            self.transport.close()
        else:
            self._refuse(TooLate(f"{complaint} for {most_s} s"))

    def _refuse(self, error: ClientError) -> None:
        """The last answer of this connection, unless another one is under way.

        What the client still sends is read and forgotten for a while: closing at once would reset the connection, and the client
        would lose the answer.
        """
        self._refused = True
        if self.transport.is_closing():
            return
        current = self._current
        if current is not None:
            if current.started:
                self.transport.close()
                return
            current.lost()
        body = openai_envelope(error)
        fields = {"content-type": "application/json", "connection": "close", "content-length": str(len(body))}
        self.transport.write(head_of(error.status, fields.items()) + body)
        self.transport.write_eof()
        self.loop.call_later(LINGER_S, self.transport.close)


def _address(transport: asyncio.Transport, which: str) -> tuple[str, int] | None:
    found: Any = transport.get_extra_info(which)
    return (str(found[0]), int(found[1])) if isinstance(found, tuple) else None  # pyright: ignore[reportUnknownArgumentType]
