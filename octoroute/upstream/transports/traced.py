"""A transport that names a span of its own in each request of a traced client: endpoints' traces go on from there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import msgspec

from octoroute.upstream.transports.base import Transport, TransportRequest, TransportResponse

_NAMES = frozenset({"traceparent", "tracestate"})


class OutgoingContext(Protocol):
    """A span: its W3C `traceparent`, and the `tracestate` beside it."""

    @property
    def header(self) -> str: ...
    @property
    def state(self) -> str: ...


class TracedTransport:
    def __init__(self, inner: Transport, outgoing: Callable[[str], OutgoingContext | None]) -> None:
        """`outgoing` returns the context of a request to that URL, in whose task it is called; None: it is not traced."""
        self._inner = inner
        self._outgoing = outgoing

    async def send(self, request: TransportRequest) -> TransportResponse:
        if any(name.lower() in _NAMES for name, _ in request.headers):  # the operator's own, or signed with the rest
            return await self._inner.send(request)
        context = self._outgoing(request.url)
        if context is None:
            return await self._inner.send(request)
        extra = [pair for pair in request.extra if pair[0] not in _NAMES]
        extra.append(("traceparent", context.header))
        if context.state:
            extra.append(("tracestate", context.state))
        return await self._inner.send(msgspec.structs.replace(request, extra=tuple(extra)))

    async def close(self) -> None:
        await self._inner.close()
