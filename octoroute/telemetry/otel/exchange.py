"""What a trace is made of: one client's request as the tracer sees it, filled while it runs, and turned into spans afterwards."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from octoroute.domain.outcome import Outcome
from octoroute.telemetry.otel.trace_context import TraceParent


class SettledRequest(NamedTuple):
    """An outcome, and what else of its request the spans tell."""

    outcome: Outcome
    api: str
    """The upstream interface; empty: the request could not be read."""
    max_tokens: int | None
    settled_ns: int
    """Wall clock, nanoseconds since the epoch."""


class HttpFacts(NamedTuple):
    """Of the request that a client sent."""

    method: str
    path: str
    scheme: str
    user_agent: str


class TraceExchange(msgspec.Struct):
    parent: TraceParent | None
    """The client's span; None: the trace begins here."""
    trace_id: int
    span_id: int
    """Of the gateway's own span, the parent of all attempts."""
    sampled: bool
    started_ns: int
    http: HttpFacts | None = None
    """None: it came another way than over an HTTP route, so that there is no SERVER span."""
    server_span_id: int = 0
    ended_ns: int = 0
    sends: list[tuple[str, int]] = []
    """Of each request that was sent upstream the URL, and the id of the span that it named as its parent."""
    settled: SettledRequest | None = None
    own: list[SettledRequest] = []
    """The gateway's own questions on behalf of this request: to a router model, or to a judge."""
