"""The spans of one request: SERVER (HTTP), the gateway's own with the route's facts, and one CLIENT span for each attempt."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple, TypeAlias
from urllib.parse import urlsplit

from octoroute.domain.endpoint import Endpoint
from octoroute.domain.outcome import Attempt, Ending, Outcome, Usage
from octoroute.domain.price import to_usd
from octoroute.telemetry.access_log import ROUTING
from octoroute.telemetry.otel.conventions import Conventions, operation_of
from octoroute.telemetry.otel.exchange import SettledRequest, TraceExchange
from octoroute.telemetry.otel.trace_context import new_span_id

Attributes: TypeAlias = dict[str, str | int | float | bool]
MAX_TEXT_CHARS = 256
ABANDONED = "abandoned"
_PORTS = {"https": 443, "http": 80}
_FAILURES = frozenset({Ending.FAILED, Ending.BROKEN})


class SpanRecord(NamedTuple):
    name: str
    kind: Literal["server", "internal", "client"]
    span_id: int
    parent_id: int
    """0: it is the first of its trace."""
    start_ns: int
    end_ns: int
    attributes: Attributes
    error: str | None
    """The error code of a span that failed; None: it did not."""


class SpanBuilder:
    def __init__(self, conventions: Conventions, provider_name: Callable[[Endpoint], str]) -> None:
        """`provider_name` returns `gen_ai.provider.name`."""
        self._conventions = conventions
        self._provider_name = provider_name

    def build(self, exchange: TraceExchange) -> list[SpanRecord]:
        """Parents come before their children."""
        parent_id = exchange.parent.span_id if exchange.parent else 0
        spans: list[SpanRecord] = []
        if exchange.http is not None:
            spans.append(_server_span(exchange, parent_id))
            parent_id = exchange.server_span_id
        settled = exchange.settled
        if settled is None:
            return spans
        if settled.outcome.dialect != ROUTING:
            spans.append(self._gateway_span(exchange, settled, parent_id))
            parent_id = exchange.span_id
        attempts = [
            (_began_ns(one) + int(attempt.started_s * 1e9), one, at)
            for one in (*exchange.own, settled)
            for at, attempt in enumerate(one.outcome.attempts)
        ]
        sends = list(exchange.sends)
        for start_ns, one, at in sorted(attempts, key=lambda attempt: attempt[0]):
            spans.append(self._client_span(one, at, start_ns, parent_id, sends))
        return spans

    def _gateway_span(self, exchange: TraceExchange, settled: SettledRequest, parent_id: int) -> SpanRecord:
        outcome = settled.outcome
        return SpanRecord(
            name="octoroute.request",
            kind="internal",
            span_id=exchange.span_id,
            parent_id=parent_id,
            start_ns=_began_ns(settled),
            end_ns=settled.settled_ns,
            attributes=_route_attributes(outcome),
            error=outcome.error or "internal_error" if outcome.ending in _FAILURES else None,
        )

    def _client_span(
        self, settled: SettledRequest, at: int, start_ns: int, parent_id: int, sends: list[tuple[str, int]]
    ) -> SpanRecord:
        outcome = settled.outcome
        attempt = outcome.attempts[at]
        attributes = self.attempt_attributes(attempt, outcome, settled)
        attributes["octoroute.attempt"] = at + 1
        attributes["octoroute.attempts"] = len(outcome.attempts)
        return SpanRecord(
            name=f"{operation_of(settled.api)} {attempt.endpoint.model}",
            kind="client",
            span_id=_sent_span(sends, attempt.endpoint.base_url) or new_span_id(),
            parent_id=parent_id,
            start_ns=start_ns,
            end_ns=max(start_ns, _end_ns(outcome, at, _began_ns(settled))),
            attributes=attributes,
            error=error_of(attempt, at, outcome),
        )

    def attempt_attributes(self, attempt: Attempt, outcome: Outcome, settled: SettledRequest) -> Attributes:
        endpoint, names = attempt.endpoint, self._conventions
        found = {**self.dimensions(attempt, settled), "gen_ai.request.stream": outcome.stream, "octoroute.endpoint": endpoint.id}
        if settled.max_tokens is not None:
            found["gen_ai.request.max_tokens"] = settled.max_tokens
        if attempt.error is None:
            found["gen_ai.response.time_to_first_chunk"] = round(attempt.took_s, 6)
        if attempt.rejected is not None:
            found["octoroute.cascade.check"] = attempt.rejected
        if outcome.dialect == ROUTING:
            found["octoroute.purpose"] = "internal"
        usage = attempt.usage
        if usage is not None:
            found |= _usage_attributes(usage, names.cache_write)
        if attempt.cost_micros is not None:
            found["octoroute.cost.usd"] = to_usd(attempt.cost_micros)
        return found

    def dimensions(self, attempt: Attempt, settled: SettledRequest) -> Attributes:
        """The attributes that spans and metrics have in common; their values come from the configuration."""
        endpoint = attempt.endpoint
        found: Attributes = {
            "gen_ai.operation.name": operation_of(settled.api),
            "gen_ai.provider.name": self._provider_name(endpoint),
            "gen_ai.request.model": endpoint.model,
        }
        url = urlsplit(endpoint.base_url)
        if url.hostname:
            found["server.address"] = url.hostname
            found["server.port"] = url.port or _PORTS.get(url.scheme, 80)
        return found


def error_of(attempt: Attempt, at: int, outcome: Outcome) -> str | None:
    """Why an attempt failed, even if its answer broke after its beginning. A client that left is no failure of the endpoint."""
    if attempt.error is not None:
        return None if attempt.error == ABANDONED else attempt.error
    is_last = at == len(outcome.attempts) - 1
    return outcome.error if outcome.ending is Ending.BROKEN and is_last else None


def _server_span(exchange: TraceExchange, parent_id: int) -> SpanRecord:
    http, outcome = exchange.http, exchange.settled and exchange.settled.outcome
    assert http is not None
    attributes: Attributes = {"http.request.method": http.method, "url.path": http.path[:MAX_TEXT_CHARS], "url.scheme": http.scheme}
    if http.user_agent:
        attributes["user_agent.original"] = http.user_agent[:MAX_TEXT_CHARS]
    error = None
    if outcome is not None:
        attributes["http.response.status_code"] = outcome.status
        error = str(outcome.status) if outcome.status >= 500 else None
    name = http.method if http.path.count("/") > 4 else f"{http.method} {_route_of(http.path)}"
    return SpanRecord(name, "server", exchange.server_span_id, parent_id, exchange.started_ns, exchange.ended_ns, attributes, error)


def _route_of(path: str) -> str:
    """The path without what a client chooses in it: a model's name."""
    head, models, rest = path.partition("/models/")
    return f"{head}/models/{{model}}:{rest.rpartition(':')[2]}" if models else path


def _route_attributes(outcome: Outcome) -> Attributes:
    decision, endpoint = outcome.decision, outcome.endpoint
    values: Mapping[str, str | int | float | bool | None] = {
        "octoroute.request.id": outcome.request_id,
        "octoroute.dialect": outcome.dialect,
        "octoroute.asked_for": outcome.asked_for,
        "octoroute.stream": outcome.stream,
        "octoroute.key": outcome.key_name,
        "octoroute.tier": decision and str(decision.tier),
        "octoroute.strategy": decision and decision.by,
        "octoroute.reason": decision and decision.why[:MAX_TEXT_CHARS],
        "octoroute.rule": decision and decision.rule,
        "octoroute.score": decision and decision.confidence,
        "octoroute.routing.duration": round(outcome.routing_s, 6) if decision else None,
        "octoroute.queue.duration": outcome.queued_s,
        "octoroute.cache": outcome.cache,
        "octoroute.cascade": outcome.cascade,
        "octoroute.cascade.check": outcome.check,
        "octoroute.endpoint": endpoint and endpoint.id,
        "octoroute.provider": endpoint and endpoint.provider,
        "octoroute.attempts": len(outcome.attempts),
        "octoroute.outcome": str(outcome.ending),
        "octoroute.first_event": outcome.first_event_s,
        "octoroute.cost.usd": None if outcome.cost_micros is None else to_usd(outcome.cost_micros),
        "error.type": outcome.error,
    }
    return {name: value for name, value in values.items() if value is not None}


def _usage_attributes(usage: Usage, cache_write: str) -> Attributes:
    found: Attributes = {"gen_ai.usage.input_tokens": usage.input_tokens, "gen_ai.usage.output_tokens": usage.output_tokens}
    if usage.cached_tokens:
        found["gen_ai.usage.cache_read.input_tokens"] = usage.cached_tokens
    if usage.cache_write_tokens:
        found[cache_write] = usage.cache_write_tokens
    if usage.reasoning_tokens:
        found["gen_ai.usage.reasoning.output_tokens"] = usage.reasoning_tokens
    if usage.estimated:
        found["octoroute.usage.estimated"] = True
    return found


def _began_ns(settled: SettledRequest) -> int:
    return settled.settled_ns - int(settled.outcome.total_s * 1e9)


def _end_ns(outcome: Outcome, at: int, began_ns: int) -> int:
    """A failed attempt ends with its failure, an answer with the request, and one that a cascade rejected where the next begins."""
    attempt, attempts = outcome.attempts[at], outcome.attempts
    if attempt.error is not None and attempt.usage is None:
        return began_ns + int((attempt.started_s + attempt.took_s) * 1e9)
    if at + 1 < len(attempts):
        return began_ns + int(attempts[at + 1].started_s * 1e9)
    return began_ns + int(outcome.total_s * 1e9)


def _sent_span(sends: list[tuple[str, int]], base_url: str) -> int | None:
    """Take the span id that the endpoint was told, of the first request to its address that no attempt has taken yet."""
    for at, (url, span_id) in enumerate(sends):
        if url.startswith(base_url.rstrip("/")):
            del sends[at]
            return span_id
    return None
