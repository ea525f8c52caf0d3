"""How bytes reach an endpoint: the narrow seam between `upstream` and an HTTP/1.1 client.

Implementations know nothing of models, retries, or dialects. They never follow redirects, never retry (but a request none of
whose bytes were sent), never read the environment, and never log. Cancelling a call closes its connection.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Protocol, TypeAlias

import msgspec


class Trust(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """Whom an https endpoint must prove to be. Make one per endpoint and keep it: connections are shared by its identity."""

    context: ssl.SSLContext
    pins_sha256: frozenset[bytes] = frozenset()
    """Digests of certificates (DER), one of which must be the server's, beside whatever `context` verifies; none: no pin."""


class TransportRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One HTTP request. `headers` hold neither host, content-length, nor connection: the transport writes those.

    A caller in a hurry makes the `headers` tuple once and sends the same object again: it is validated once.
    """

    method: str
    url: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    connect_timeout_s: float = 10.0
    trust: Trust | None = None
    """None: the system's authorities and the host's name."""
    proxy: str | None = None
    """URL of an HTTP proxy to go through; not every transport can."""
    max_connections: int = 0
    """How many may be open to this origin for calls that say the same; further ones wait in line. 0: no limit."""


Sink: TypeAlias = Callable[[bytes], bool]
"""Takes a piece of a body and says whether it will take the next one, too. It does not raise."""


class TransportResponse(Protocol):
    """An answer whose head has arrived. Its owner must `close()` it, however it ends; closing twice is harmless."""

    status: int
    headers: Mapping[str, str]
    """Lower-case names; a repeated header's values joined by ", ". Content-encoding is already undone."""

    def chunk(self) -> Coroutine[Any, Any, bytes]:
        """The next bytes as they arrive; b"" at the answer's own end. Raises Broke when the connection ends before that.

        Back-pressure is the caller's pace: nothing is read ahead beyond a bounded buffer.
        """
        ...

    def flow(self, sink: Sink) -> Coroutine[Any, Any, bytes | None]:
        """As `chunk`; but what arrives while it is waited for may be handed to `sink` there and then, piece after piece, and nobody
        is woken for it. None: `sink` wants no more for now.
        """
        ...

    async def body(self, limit: int) -> bytes:
        """All of it. Raises Broke when cut short or longer than `limit` bytes."""
        ...

    def close(self) -> None:
        """Hand a fully read connection back to the pool; cut one that is not."""
        ...


class Transport(Protocol):
    async def send(self, call: TransportRequest) -> TransportResponse:
        """Raises Unreachable (no connection, in time or at all) or Broke (a connection, but no HTTP answer).

        The wait for the answer's head has no time limit here: the caller cancels.
        """
        ...

    async def close(self) -> None:
        """Close every connection, idle or not."""
        ...
