"""How bytes reach an endpoint: the narrow interface between `upstream` and an HTTP/1.1 client.

Implementations know nothing of models, retries, or dialects. They never follow redirects, never retry (except a request
that the server cannot have read), never read the environment, and never log. Cancelling a request closes its connection.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Protocol, TypeAlias

import msgspec


class Trust(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """How an https server is verified. Make one per settings and keep it: connections are shared by its identity."""

    context: ssl.SSLContext
    pins_sha256: frozenset[bytes] = frozenset()
    """SHA-256 digests of certificates (DER), one of which must be the server's, in addition to `context`; empty: no pin."""


class TransportRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One HTTP request. `headers` hold neither host, content-length, nor connection: the transport writes those.

    Headers are validated once per tuple object, so send the same object again where they stay the same.
    """

    method: str
    url: str
    headers: tuple[tuple[str, str], ...] = ()
    extra: tuple[tuple[str, str], ...] = ()
    """Headers of this request only, beside `headers`."""
    body: bytes = b""
    connect_timeout_s: float = 10.0
    trust: Trust | None = None
    """None: the certificate must be for the host, from an authority that the system trusts."""
    host: str = ""
    """Host, perhaps with a port, for the Host header and as the TLS server name, instead of the URL's; empty: the URL's."""
    proxy: str | None = None
    """URL of an HTTP proxy; not every transport supports one."""
    max_connections: int = 0
    """Open connections to this origin, for requests with the same value; further requests wait in order. 0: no limit."""


Sink: TypeAlias = Callable[[bytes], bool]
"""Takes a piece of a body and says whether it takes the next one, too. It does not raise."""


class TransportResponse(Protocol):
    """A response whose head has arrived. Its owner must `close()` it, however it ends; closing twice is harmless."""

    status: int
    headers: Mapping[str, str]
    """Lower-case names; a repeated header's values joined by ", ". Content-encoding is already undone."""

    def chunk(self) -> Coroutine[Any, Any, bytes]:
        """The next bytes as they arrive; b"" at the response's own end. Raises BadUpstreamResponse when the connection ends before.

        The caller sets the pace: nothing is read ahead beyond a bounded buffer.
        """
        ...

    def flow(self, sink: Sink) -> Coroutine[Any, Any, bytes | None]:
        """As `chunk`; but bytes that arrive while it waits may be handed to `sink` at once, and the task is not woken for them.
        None: `sink` takes no more for now.
        """
        ...

    async def body(self, limit: int) -> bytes:
        """All of it. Raises BadUpstreamResponse when it is cut short or longer than `limit` bytes."""
        ...

    def close(self) -> None:
        """Return a fully read connection to the pool; close one that is not."""
        ...


class Transport(Protocol):
    async def send(self, request: TransportRequest) -> TransportResponse:
        """Raises Unreachable (no connection, in time or at all) or BadUpstreamResponse (a connection, but no HTTP response).

        The wait for the response's head has no time limit here: the caller cancels.
        """
        ...

    async def close(self) -> None:
        """Close every connection, idle or not."""
        ...
