"""Follows requests from their arrival to their settlement, and hands each to a queue. What it does in a request's task is bounded.

Nothing calls it while OpenTelemetry is off: routes, sink, and transport are wrapped when the process starts.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from contextvars import ContextVar
from typing import Any, Protocol, TypeAlias

from octoroute.domain.outcome import Outcome
from octoroute.domain.request import Request
from octoroute.telemetry.access_log import ROUTING
from octoroute.telemetry.otel.exchange import HttpFacts, SettledRequest, TraceExchange
from octoroute.telemetry.otel.trace_context import TraceParent, new_span_id, new_trace_id, read_parent

Scope: TypeAlias = MutableMapping[str, Any]
AsgiRoute: TypeAlias = Callable[[Scope, Any, Any], Awaitable[None]]

_CONTEXT = frozenset({b"traceparent", b"tracestate"})
MAX_SENDS = 64
"""Of one request that are remembered; it makes no more attempts."""


class SettlementSink(Protocol):
    def settle(self, outcome: Outcome, request: Request | None) -> None: ...


class RequestTracer:
    def __init__(self, offer: Callable[[TraceExchange], None], wall: Callable[[], float], sample_ratio: float) -> None:
        """`offer` takes a request that has ended, and neither waits nor raises. `sample_ratio`: of traces that begin here."""
        self._offer = offer
        self._wall = wall
        self._sampled_below = int(sample_ratio * (1 << 64))
        self._current: ContextVar[TraceExchange | None] = ContextVar("trace", default=None)

    def around(self, route: AsgiRoute) -> AsgiRoute:
        """The route, with a trace of each request; upstreams get the gateway's span as the parent."""

        async def trace_and_route(scope: Scope, receive: Any, send: Any) -> None:
            exchange = self._begin(scope["headers"], scope)
            token = self._current.set(exchange)
            try:
                await route({**scope, "headers": _with_context(scope["headers"], exchange)}, receive, send)
            finally:
                self._current.reset(token)
                exchange.ended_ns = self._now_ns()
                self._offer(exchange)

        return trace_and_route

    def outgoing(self, url: str) -> TraceParent | None:
        """The context for a request to `url`, as a new span; None: it belongs to no traced request."""
        exchange = self._current.get()
        if exchange is None or len(exchange.sends) >= MAX_SENDS:
            return None
        span_id = new_span_id()
        exchange.sends.append((url, span_id))
        state = "" if exchange.parent is None else exchange.parent.state
        return TraceParent(exchange.trace_id, span_id, exchange.sampled, state)

    def sink(self, inner: SettlementSink) -> TracedSink:
        return TracedSink(self, inner)

    def settled(self, outcome: Outcome, request: Request | None) -> None:
        """An outcome, in its request's task."""
        exchange, api = self._current.get(), "" if request is None else request.api
        settled = SettledRequest(outcome, api, None if request is None else request.facts.output_tokens, self._now_ns())
        if exchange is not None:
            if outcome.dialect == ROUTING:
                exchange.own.append(settled)
            else:
                exchange.settled = settled
            return
        given: Mapping[str, str] = {} if request is None else request.headers
        alone = self._begin([(name.encode(), given[name].encode("latin-1", "replace")) for name in given])
        alone.started_ns = settled.settled_ns - int(outcome.total_s * 1e9)
        alone.ended_ns = settled.settled_ns
        alone.settled = settled
        self._offer(alone)

    def _begin(self, headers: list[tuple[bytes, bytes]], scope: Scope | None = None) -> TraceExchange:
        parent = read_parent(headers)
        trace_id = new_trace_id() if parent is None else parent.trace_id
        sampled = (trace_id & ((1 << 64) - 1)) < self._sampled_below if parent is None else parent.sampled
        exchange = TraceExchange(parent, trace_id, new_span_id(), sampled, self._now_ns())
        if scope is not None:
            agent = next((value.decode("latin-1") for name, value in headers if name == b"user-agent"), "")
            exchange.http = HttpFacts(scope["method"], scope["path"], scope.get("scheme", "http"), agent)
            exchange.server_span_id = new_span_id()
        return exchange

    def _now_ns(self) -> int:
        return int(self._wall() * 1e9)


class TracedSink:
    """A sink that tells a tracer first."""

    def __init__(self, tracer: RequestTracer, inner: SettlementSink) -> None:
        self._tracer = tracer
        self._inner = inner

    def settle(self, outcome: Outcome, request: Request | None) -> None:
        self._tracer.settled(outcome, request)
        self._inner.settle(outcome, request)


def _with_context(headers: list[tuple[bytes, bytes]], exchange: TraceExchange) -> list[tuple[bytes, bytes]]:
    own = TraceParent(exchange.trace_id, exchange.span_id, exchange.sampled)
    found = [header for header in headers if header[0] not in _CONTEXT]
    found.append((b"traceparent", own.header.encode()))
    if exchange.parent is not None and exchange.parent.state:
        found.append((b"tracestate", exchange.parent.state.encode()))
    return found
