"""One client's connection in HTTP/1.1: each request is an ASGI call, and responses are sent in the order of the requests.

uvicorn creates it, counts it, and tells it to shut down. A connection has no timers: the server calls `second_passed`.
"""

from __future__ import annotations

import asyncio
import urllib.parse
from collections import deque
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Protocol, cast

import httptools

from octoroute.dialects.response.errors import openai_envelope
from octoroute.errors import BadRequest, ClientError, TooLate
from octoroute.server.downstream import EXTENSION, Scope
from octoroute.server.http1.exchange import Application, ServerExchange
from octoroute.server.http1.flow_control import LINGER_S, ConnectionFlow
from octoroute.server.http1.framing import head_of
from octoroute.server.http1.listener import ListenerState
from octoroute.server.http1.request_parser import RequestParser
from octoroute.server.http1.web_socket import DENIAL, WebSocketConnection
from octoroute.server.origins import readable_by_page

HEAD_S = 30
"""From the first byte of a request to the end of its headers."""
BODY_S = 60
"""Without a byte of a body that the application waits for."""
WRITE_BYTES = 32 * 1024
"""What may wait in the write buffer before the endpoint is read no further."""
STOP_LINGER_S = 0.25
"""`LINGER_S` while the process stops."""


class ServerConfig(Protocol):
    """The part of uvicorn's configuration that is used."""

    @property
    def loaded_app(self) -> Any: ...


class ServerState(Protocol):
    """uvicorn's view of all connections."""

    total_requests: int
    connections: set[Any]
    tasks: set[asyncio.Task[None]]


def _target(url: bytes) -> tuple[str, bytes, bytes]:
    """Return path, raw path, and query, also of a URL in absolute form. Raises httptools.HttpParserInvalidURLError."""
    parsed = httptools.parse_url(url)
    path = parsed.path.decode("ascii")
    return urllib.parse.unquote(path) if "%" in path else path, parsed.path, parsed.query or b""


_MAX_CACHED_BYTES = 64
"""Longer targets are no routes of the gateway, and a client can invent any number of them: they are not cached."""
_cached_target = lru_cache(256)(_target)


class ServerConnection(asyncio.Protocol):
    """One connection. At most one of its requests is with the application; pipelined ones wait."""

    __slots__ = (
        "_app",
        "_current",
        "_parser",
        "_queue",
        "_refused",
        "_scope",
        "_server_state",
        "flow",
        "listener",
        "loop",
        "transport",
        "waited_s",
    )
    transport: asyncio.Transport
    flow: ConnectionFlow

    def __init__(
        self,
        config: ServerConfig,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        listener: ListenerState | None = None,
    ) -> None:
        self.listener = listener or ListenerState()
        self._app: Application = config.loaded_app
        self._server_state = server_state
        self.loop = _loop or asyncio.get_running_loop()
        self._scope: Scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "scheme": "http",
            "root_path": "",
            "state": app_state,
        }
        """The part of the scope that all requests of the connection share."""
        self._parser = RequestParser(self)
        self._current: ServerExchange | None = None
        self._queue: deque[tuple[ServerExchange, Scope]] = deque()
        """Pipelined requests that wait for the current one."""
        self._refused = False
        """A request was rejected before it was complete: nothing more is parsed."""
        self.waited_s = 0

    # the transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's transports are not subclasses
        self.transport.set_write_buffer_limits(WRITE_BYTES)
        self.flow = ConnectionFlow(self.transport)
        self._scope["server"] = _address(self.transport, "sockname")
        self._scope["client"] = _address(self.transport, "peername")
        if self.transport.get_extra_info("sslcontext") is not None:
            self._scope["scheme"] = "https"
        self._server_state.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._server_state.connections.discard(self)
        if self._current is not None:
            self._current.lost()
        self._queue.clear()
        self.resume_writing()
        self._parser.close()

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        try:
            self._parser.feed(data)
        except ClientError as error:
            self._refuse(error)

    def eof_received(self) -> bool:
        """Close the connection: a client that half-closes it expects no response."""
        return False

    def pause_writing(self) -> None:
        self.flow.pause_writing()

    def resume_writing(self) -> None:
        self.flow.resume_writing()

    # the exchanges

    def begin_request(
        self, method: str, version: str, url: bytes, headers: list[tuple[bytes, bytes]], *, keep_alive: bool
    ) -> ServerExchange:
        path, raw_path, query = (_cached_target if len(url) <= _MAX_CACHED_BYTES else _target)(url)
        exchange = ServerExchange(
            self,
            headers,
            bodiless=method == "HEAD",
            keep_alive=keep_alive,
            old=version == "1.0",
        )
        scope = {
            **self._scope,
            "http_version": version,
            "method": method,
            "path": path,
            "raw_path": raw_path,
            "query_string": query,
            "headers": headers,
            "state": self._scope["state"].copy(),
            "extensions": {EXTENSION: exchange},
        }
        if self._current is None:
            self._start(exchange, scope)
        else:
            self._queue.append((exchange, scope))
            if self.flow.is_read:
                self.flow.pause_reading()
                self.flow.watch_hang_up()
        return exchange

    def begin_socket(self, url: bytes, headers: list[tuple[bytes, bytes]], rest: bytes) -> None:
        """Hand the connection over to a `WebSocketConnection`. Raises BadRequest if a response is still under way."""
        if self._current is not None:
            raise BadRequest("a request for a WebSocket must wait until the requests before it are answered")
        path, raw_path, query = _target(url)
        scope: Scope = {
            **self._scope,
            "type": "websocket",
            "scheme": "wss" if self._scope["scheme"] == "https" else "ws",
            "http_version": "1.1",
            "path": path,
            "raw_path": raw_path,
            "query_string": query,
            "headers": headers,
            "subprotocols": [],
            "state": self._scope["state"].copy(),
            "extensions": {DENIAL: {}},
        }
        self._server_state.total_requests += 1
        self._server_state.connections.discard(self)
        self._refused = True
        self._parser.close()
        socket = WebSocketConnection(self.transport, self.listener, self._server_state, scope)
        self.transport.set_protocol(socket)
        socket.start(self._app, rest)

    def _start(self, exchange: ServerExchange, scope: Scope) -> None:
        self._current = exchange
        tasks = self._server_state.tasks
        exchange.task = task = self.loop.create_task(exchange.run(self._app, scope, tasks))
        tasks.add(task)

    def answered(self, exchange: ServerExchange) -> None:
        """Start the next request after the response of the current one has been written."""
        del exchange
        self._server_state.total_requests += 1
        self._current = None
        self.waited_s = 0
        if self._refused or self.transport.is_closing():
            return
        if not self.flow.is_read:
            self.flow.resume_reading()
        if self._queue:
            self._start(*self._queue.popleft())

    @property
    def is_the_last(self) -> bool:
        """True if a response that begins now is the last of the connection."""
        return self.listener.stopping and not self._queue

    @property
    def is_idle(self) -> bool:
        """No part of a request has arrived that is not answered."""
        return self._current is None and not self._parser.in_head and self._parser.receiving is None

    def close_if_idle(self, idle_s: float) -> None:
        """Close the connection if it has been idle for `idle_s`. No part of a request that has begun to arrive is lost."""
        if self.waited_s >= idle_s and self.is_idle:
            self.close()

    def shutdown(self) -> None:
        """Do nothing: the server closes the connections one by one. uvicorn's interface."""

    def close(self) -> None:
        """Close the connection after the client has had time to read what was written.

        Whatever the client still sends is read and dropped for `LINGER_S`: closing at once would reset the connection, and the
        client would lose the last response, or learn of a reset instead of an end.
        """
        if self._refused or self.transport.is_closing():
            return
        self._refused = True
        linger_s = STOP_LINGER_S if self.listener.stopping else LINGER_S
        if not self.transport.can_write_eof():  # TLS sends its own end (close_notify), and waits for the client's
            self.transport.close()
            self.loop.call_later(linger_s, self._abandon)
            return
        self.flow.resume_reading()
        self.transport.write_eof()
        self.loop.call_later(linger_s, self.transport.close)

    def _abandon(self) -> None:
        """Abort a TLS connection whose client has not sent its end (close_notify), unless it is still taking the response."""
        if self.flow.is_empty:
            self.transport.abort()

    # time limits

    def second_passed(self) -> None:
        """Count a second towards the limits, unless the client waits for the gateway."""
        if self.flow.stalled_s(written=self._current is not None) >= self.listener.settings.client_write_timeout_seconds:
            self.transport.abort()
        if self.flow.is_dead():
            self.transport.abort()
        if self._refused:
            return
        if self._current is not None:
            if not self._current.request_body.complete and self.flow.is_read:
                self._wait(BODY_S, "no data of the request body arrived")
        elif self._parser.in_head:
            self._wait(HEAD_S, "the request headers were not complete")
        elif self._parser.receiving is not None:
            self._wait(BODY_S, None)
        else:
            self._wait(self.listener.settings.keep_alive_seconds, None)

    def _wait(self, limit_s: float, problem: str | None) -> None:
        """`problem`: the start of the error message; None: the connection is closed without a response."""
        self.waited_s += 1
        if self.waited_s <= limit_s:
            return
        if problem is None:
            self.close()
        else:
            self._refuse(TooLate(f"{problem} within {limit_s:g} s"))

    def _refuse(self, error: ClientError) -> None:
        """Send the error as the last response of the connection, unless another response is under way."""
        if self.transport.is_closing():
            self._refused = True
            return
        current = self._current
        if current is not None:
            if current.started:
                self._refused = True
                self.transport.close()
                return
            current.lost()
        body = openai_envelope(error)
        fields = {"content-type": "application/json", "connection": "close", "content-length": str(len(body)), **error.headers}
        head = head_of(error.status, [*fields.items(), *self.cross_origin_fields(fields.items())])
        self.transport.write(head + body)
        self.close()

    def cross_origin_fields(self, fields: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
        response = [(name.encode("latin-1"), value.encode("latin-1", "replace")) for name, value in fields]
        added = readable_by_page(self._parser.headers, response, self.listener.settings.cors_origins)
        return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in added]


def _address(transport: asyncio.Transport, which: str) -> tuple[str, int] | None:
    """Return host and port; None for a Unix socket. `which`: sockname or peername."""
    found: Any = transport.get_extra_info(which)
    return (str(found[0]), int(found[1])) if isinstance(found, tuple) else None  # pyright: ignore[reportUnknownArgumentType]
