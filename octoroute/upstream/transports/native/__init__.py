"""Our own HTTP/1.1 client: one write a request, no task, a future only where the bytes are not there yet."""

from __future__ import annotations

import ssl
from typing import NamedTuple

from octoroute.errors import Unreachable
from octoroute.upstream.transports.base import TransportRequest
from octoroute.upstream.transports.failures import CLOSED, NO_PROXY
from octoroute.upstream.transports.native.connection import READ_BYTES
from octoroute.upstream.transports.native.exchange import ClientExchange
from octoroute.upstream.transports.native.pool import Pool
from octoroute.upstream.transports.request import Origin, origin_and_head

_ROUTES = 256
"""Request heads remembered."""
_JOINED = 8 * 1024
"""Up to this size head and body are copied into one write; a larger body goes beside its head."""


class _Route(NamedTuple):
    headers: tuple[tuple[str, str], ...]
    """Held so that its id stays its own."""
    pool: Pool
    head: bytes


class NativeTransport:
    def __init__(self, *, max_per_origin: int = 0, idle_s: float = 30.0) -> None:
        """`max_per_origin`: connections to one origin, 0: no cap (others wait in line). `idle_s`: how long unused ones stay."""
        self._max = max_per_origin
        self._idle_s = idle_s
        self._pools: dict[tuple[Origin, int], Pool] = {}
        self._routes: dict[tuple[int, int, str, str], _Route] = {}
        self._room = memoryview(bytearray(READ_BYTES))
        self._tls: ssl.SSLContext | None = None
        self._closed = False

    async def send(self, call: TransportRequest) -> ClientExchange:
        method, body = call.method, call.body
        route = self._routes.get((id(call.headers), id(call.trust), call.url, method)) or self._route(call)
        _, pool, head = route
        if body or method in ("POST", "PUT", "PATCH"):  # these say so when their body is empty (RFC 9110, 8.6)
            head = b"%bcontent-length: %d\r\n\r\n" % (head, len(body))
        else:
            head += b"\r\n"
        if len(body) <= _JOINED:
            head, body = head + body, b""
        while True:
            connection = pool.take() or await pool.open(call.connect_timeout_s)
            exchange = connection.begin(method, head, body)
            try:
                if await exchange.head():
                    if "content-encoding" in exchange.headers:
                        exchange.undo_encoding()
                    return exchange
            except BaseException:
                exchange.close()
                raise
            # Nobody took a byte of it, so it is as if it had never been sent. This ends: each turn uses up a pooled connection.

    def _route(self, call: TransportRequest) -> _Route:
        if self._closed:
            raise Unreachable(CLOSED)
        if call.proxy is not None:
            raise Unreachable(NO_PROXY)
        origin, head = origin_and_head(call)
        most = call.max_connections or self._max
        pool = self._pools.get((origin, most))
        if pool is None:
            pool = self._pools[origin, most] = Pool(origin, self._context(origin), self._room, most, self._idle_s)
        route = _Route(call.headers, pool, head)
        if len(self._routes) >= _ROUTES:
            self._routes.clear()
        self._routes[id(call.headers), id(call.trust), call.url, call.method] = route
        return route

    def _context(self, origin: Origin) -> ssl.SSLContext | None:
        if not origin.tls:
            return None
        if origin.trust is not None:
            return origin.trust.context
        if self._tls is None:  # reading the system's authorities takes milliseconds: once, and not for those without TLS
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
