"""The access log, and the one place where a finished request is recorded: metrics and its log line are views of one `Outcome`.

Two things here exist for speed only. Successful outcomes wait up to 10 ms and are recorded together, while that code is in the
processor's caches; and the part of a log line that outcomes of the same rollup share is encoded once. Measured with
benches/micro.py (Python 3.11, processor time, medians of 4 to 10 rounds): answering a 1 KB request costs 45.6 µs with both,
49.0 without the delay, 46.0 without the shared encoding, 50.8 without either. Of 200 outcomes that are settled in a row, one costs
6.5 µs with both, 6.4, 7.6, and 7.5.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeAlias

import msgspec
import structlog
from msgspec import UNSET, UnsetType

from octoroute.domain.decision import Decision
from octoroute.domain.outcome import Attempt, ContextUse, Ending, Outcome
from octoroute.domain.price import to_usd
from octoroute.domain.request import Request
from octoroute.telemetry.logging import fast_logger
from octoroute.telemetry.metrics import Metrics
from octoroute.telemetry.rollup import Rollup
from octoroute.telemetry.stats import Statistics

log = structlog.stdlib.get_logger("octoroute.request")

_FAILURES = frozenset({Ending.FAILED, Ending.BROKEN})

MAX_RECORD_DELAY_S = 0.01
MAX_PENDING_OUTCOMES = 64
"""A successful outcome is recorded after this time or with this many others, whichever comes first."""
ROUTING = "routing"
"""The dialect of the gateway's own requests to the routing model: they are work for an endpoint, but no client's request."""

OutcomeCallback: TypeAlias = Callable[[Outcome, Request | None], None]
"""Called with each outcome of a client's request, in that request's task. The request is None if none could be read."""


class OutcomeSink:
    """Records each outcome once in the metrics, the statistics and the access log, and passes it on to the observers."""

    def __init__(self, metrics: Metrics, statistics: Statistics) -> None:
        self._metrics = metrics
        self._statistics = statistics
        self._direct = fast_logger()
        self._pending: list[Outcome] = []
        self._observers: Mapping[str, OutcomeCallback] = {}

    @property
    def observers(self) -> Mapping[str, OutcomeCallback]:
        """By name, in the order in which they are called."""
        return self._observers

    def observe(self, name: str, callback: OutcomeCallback | None) -> None:
        """From the next outcome on, the observer of that name is `callback`; None: there is none, and it costs nothing."""
        observers = {**self._observers, name: callback}
        self._observers = {name: callback for name, callback in observers.items() if callback is not None}

    def settle(self, outcome: Outcome, request: Request | None) -> None:
        """Never raises: a request does not fail because its outcome cannot be recorded. `request` is None if none could be read.

        A failure is recorded at once, a success together with others.
        """
        pending = self._pending
        pending.append(outcome)
        if outcome.ending in _FAILURES or self._direct is None or len(pending) >= MAX_PENDING_OUTCOMES:
            self.catch_up()
        elif len(pending) == 1:
            self._schedule_catch_up()
        if outcome.dialect == ROUTING:
            return
        try:
            for callback in self._observers.values():
                callback(outcome, request)
        except Exception as error:  # noqa: BLE001 - it is counted and logged
            self._recording_failed(outcome, error)

    def _schedule_catch_up(self) -> None:
        try:
            asyncio.get_running_loop().call_later(MAX_RECORD_DELAY_S, self.catch_up)
        except RuntimeError:  # no event loop is running
            self.catch_up()

    def catch_up(self) -> None:
        """Record every outcome that waits."""
        pending, self._pending = self._pending, []
        now = self._statistics.wall()
        for outcome in pending:
            rollup = None
            try:
                rollup = self._record(outcome, now)
            except Exception as error:  # noqa: BLE001 - it is counted and logged
                self._recording_failed(outcome, error)
            self._write_line(outcome, rollup)

    def flush(self) -> None:
        """Record every outcome that waits, and write the rollups into the metrics and the statistics."""
        self.catch_up()
        self._metrics.flush()

    def _record(self, outcome: Outcome, at: float) -> Rollup | None:
        """None: a request of the gateway's own, which belongs to no rollup."""
        if outcome.dialect == ROUTING:
            self._metrics.record_attempts(outcome, is_own=True)
            self._statistics.record_attempts(outcome, at)
            return None
        rollup = self._metrics.record(outcome, at)
        if not rollup.first_attempt_ok:
            self._statistics.record_attempts(outcome, at)
        return rollup

    def _recording_failed(self, outcome: Outcome, error: Exception) -> None:
        self._metrics.count("octoroute_metrics_recording_failures_total", "record_request")
        log.error("recording failed", request_id=outcome.request_id, error=repr(error), exc_info=error)

    def _write_line(self, outcome: Outcome, rollup: Rollup | None) -> None:
        if outcome.dialect == ROUTING:
            level, event = "debug", "routing question"
        else:
            level, event = "warning" if outcome.ending in _FAILURES else "info", "request"
        direct = self._direct
        if direct is None:
            getattr(log, level)(event, **access_log_fields(outcome))
        elif level not in direct.levels:
            return
        elif rollup is None:
            direct.write(level, event, access_log_fields(outcome))
        else:
            if rollup.line is None:
                rollup.line = direct.prepare(level, event, static_fields(outcome))
            fields = _measured_fields(outcome)
            fields.timestamp = datetime.now(UTC)
            direct.write_prepared(level, fields, rollup.line)


def access_log_fields(outcome: Outcome) -> dict[str, Any]:
    """The fields of one request's line, flat; a field that does not apply is left out."""
    return msgspec.to_builtins(_measured_fields(outcome)) | static_fields(outcome)


def static_fields(outcome: Outcome) -> dict[str, Any]:
    """The fields that are equal for outcomes of the same `rollup_key`."""
    attempts, decision = outcome.attempts, outcome.decision
    fields: dict[str, Any] = {
        "ending": str(outcome.ending),
        "status": outcome.status,
        "asked_for": outcome.asked_for,
        "stream": outcome.stream,
    }
    if decision is not None:
        fields |= {"tier": str(decision.tier), "strategy": decision.by, "why": decision.why}
        if decision.rule is not None:
            fields["rule"] = decision.rule
    endpoint = outcome.endpoint or (attempts[-1].endpoint if attempts else None)
    if endpoint is not None:
        fields |= {"provider": endpoint.provider, "endpoint": endpoint.id, "model": endpoint.model}
    if outcome.error is not None:
        fields["error"] = outcome.error
    if outcome.key_name is not None:
        fields["key"] = outcome.key_name
    return fields


class _AttemptFields(msgspec.Struct):
    endpoint: str
    ms: float
    error: str | None
    rejected: str | UnsetType = UNSET
    cost_usd: float | UnsetType = UNSET


class MeasuredFields(msgspec.Struct):
    """The fields of a line in which outcomes of the same `rollup_key` differ, in their order. UNSET: left out."""

    request_id: str
    total_ms: float
    score: float | UnsetType = UNSET
    features: dict[str, float] | UnsetType = UNSET
    features_hash: str | UnsetType | None = UNSET
    propensity: float | UnsetType = UNSET
    routing_ms: float | UnsetType = UNSET
    queue_ms: float | UnsetType = UNSET
    cache: str | UnsetType = UNSET
    attempts: list[_AttemptFields] | UnsetType = UNSET
    cascade: str | UnsetType = UNSET
    check: str | UnsetType | None = UNSET
    first_event_ms: float | UnsetType = UNSET
    input_tokens: int | UnsetType = UNSET
    output_tokens: int | UnsetType = UNSET
    tokens_estimated: bool | UnsetType = UNSET
    context: str | UnsetType = UNSET
    context_percent: float | UnsetType = UNSET
    max_tokens_lowered_to: int | UnsetType = UNSET
    messages_removed: int | UnsetType = UNSET
    original_tokens: int | UnsetType = UNSET
    context_changes: list[str] | UnsetType = UNSET
    cost_usd: float | UnsetType = UNSET
    timestamp: datetime | UnsetType = UNSET


def _measured_fields(outcome: Outcome) -> MeasuredFields:
    attempts, decision, usage = outcome.attempts, outcome.decision, outcome.usage
    fields = MeasuredFields(outcome.request_id, _ms(outcome.total_s))
    if decision is not None:
        _add_decision_fields(fields, decision, outcome.routing_s)
    if outcome.queued_s is not None:
        fields.queue_ms = _ms(outcome.queued_s)
    if outcome.cache is not None:
        fields.cache = outcome.cache
    if attempts:
        several = len(attempts) > 1
        fields.attempts = [_attempt_fields(attempt, priced=several) for attempt in attempts]
    if outcome.cascade is not None:
        fields.cascade = outcome.cascade
        fields.check = outcome.check
    if outcome.first_event_s is not None:
        fields.first_event_ms = _ms(outcome.first_event_s)
    if usage is not None:
        fields.input_tokens = usage.input_tokens
        fields.output_tokens = usage.output_tokens
        if usage.estimated:
            fields.tokens_estimated = True
    if outcome.context is not None:
        _add_context_fields(fields, outcome.context)
    if outcome.context_changes:
        fields.context_changes = [change.note for change in outcome.context_changes]
    if outcome.cost_micros is not None:
        fields.cost_usd = to_usd(outcome.cost_micros)
    return fields


def _add_decision_fields(fields: MeasuredFields, decision: Decision, routing_s: float) -> None:
    if decision.confidence is not None:
        fields.score = decision.confidence
        fields.features = dict(decision.features)
        fields.features_hash = decision.features_hash
    if decision.propensity is not None:
        fields.propensity = round(decision.propensity, 4)
    if decision.by != "client":
        fields.routing_ms = _ms(routing_s)


def _attempt_fields(attempt: Attempt, *, priced: bool) -> _AttemptFields:
    fields = _AttemptFields(attempt.endpoint.id, _ms(attempt.took_s), attempt.error)
    if attempt.rejected is not None:
        fields.rejected = attempt.rejected
    if priced and attempt.cost_micros is not None:
        fields.cost_usd = to_usd(attempt.cost_micros)
    return fields


def _add_context_fields(fields: MeasuredFields, use: ContextUse) -> None:
    if use.level is not None:
        fields.context = use.level
        fields.context_percent = use.percent
    if use.lowered_to is not None:
        fields.max_tokens_lowered_to = use.lowered_to
    if use.messages_removed:
        fields.messages_removed = use.messages_removed
        fields.original_tokens = use.original_tokens


def _ms(seconds: float) -> float:
    """Milliseconds, rounded to a hundredth; `round` takes seven times as long."""
    return (seconds * 1e5 + 0.5) // 1 / 100
