"""The gateway's own HTTP/1.1 client: one write a request, no task, and a future only where bytes are still to come."""

from __future__ import annotations

import ssl
from typing import NamedTuple

from octoroute.errors import BadUpstreamResponse, Unreachable
from octoroute.upstream.transports.base import TransportRequest
from octoroute.upstream.transports.failures import CLOSED, NO_PROXY
from octoroute.upstream.transports.native.connection import READ_BYTES
from octoroute.upstream.transports.native.connector import Connector
from octoroute.upstream.transports.native.exchange import ClientExchange
from octoroute.upstream.transports.native.pool import Pool
from octoroute.upstream.transports.request import Origin, extra_lines, origin_and_head

_MAX_ROUTES = 256
"""Request heads remembered."""
_JOIN_BYTES = 8 * 1024
"""A body up to this size is copied behind its head for one write; a larger one is written beside it."""


class _Route(NamedTuple):
    headers: tuple[tuple[str, str], ...]
    """Held so that no other object gets its id."""
    pool: Pool
    head: bytes


class NativeTransport:
    def __init__(self, *, max_per_origin: int = 0, idle_s: float = 30.0) -> None:
        """`max_per_origin`: connections to one origin, 0: no limit (others wait in order). `idle_s`: how long unused ones stay."""
        self._max = max_per_origin
        self._idle_s = idle_s
        self._pools: dict[tuple[Origin, int], Pool] = {}
        self._routes: dict[tuple[int, int, str, str, str], _Route] = {}
        self._room = memoryview(bytearray(READ_BYTES))
        self._tls: ssl.SSLContext | None = None
        self._closed = False

    async def send(self, request: TransportRequest) -> ClientExchange:
        method, body = request.method, request.body
        route = self._routes.get((id(request.headers), id(request.trust), request.url, method, request.host)) or self._route(
            request
        )
        _, pool, head = route
        if request.extra:
            head += extra_lines(request.extra)
        if body or method in ("POST", "PUT", "PATCH"):  # these say so when their body is empty (RFC 9110, 8.6)
            head = b"%bcontent-length: %d\r\n\r\n" % (head, len(body))
        else:
            head += b"\r\n"
        if len(body) <= _JOIN_BYTES:
            head, body = head + body, b""
        while True:
            connection = pool.take() or await pool.open(request.connect_timeout_s)
            exchange = connection.begin(method, head, body)
            try:
                if await exchange.head():
                    if exchange.status >= 500:
                        pool.avoid(connection)
                    if "content-encoding" in exchange.headers:
                        exchange.undo_encoding()
                    return exchange
            except BaseException as error:
                if isinstance(error, BadUpstreamResponse):
                    pool.avoid(connection)
                exchange.close()
                raise
            # The server has read no byte of it, so it may be sent again. This ends: each iteration uses up a pooled connection.

    def _route(self, request: TransportRequest) -> _Route:
        if self._closed:
            raise Unreachable(CLOSED)
        if request.proxy is not None:
            raise Unreachable(NO_PROXY)
        origin, head = origin_and_head(request)
        limit = request.max_connections or self._max
        pool = self._pools.get((origin, limit))
        if pool is None:
            pool = self._pools[origin, limit] = Pool(Connector(origin, self._context(origin), self._room), limit, self._idle_s)
        route = _Route(request.headers, pool, head)
        if len(self._routes) >= _MAX_ROUTES:
            self._routes.clear()
        self._routes[id(request.headers), id(request.trust), request.url, request.method, request.host] = route
        return route

    def _context(self, origin: Origin) -> ssl.SSLContext | None:
        if not origin.tls:
            return None
        if origin.trust is not None:
            return origin.trust.context
        if self._tls is None:  # reading the system's authorities takes milliseconds: once, and only for TLS
            self._tls = ssl.create_default_context()
            self._tls.set_alpn_protocols(["http/1.1"])
        return self._tls

    async def close(self) -> None:
        self._closed = True
        self._routes.clear()
        for pool in self._pools.values():
            pool.close()
        for pool in self._pools.values():
            await pool.empty.wait()

    @property
    def connections(self) -> int:
        """Open or being opened, in use or not."""
        return sum(pool.count for pool in self._pools.values())
