"""Write down how a request ended, once: metrics and the log line are views of the same Outcome."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import structlog

from octoroute.domain.decision import Decision
from octoroute.domain.endpoint import Endpoint
from octoroute.domain.outcome import Attempt, ContextUse, Ending, Outcome, Usage
from octoroute.domain.request import Request
from octoroute.telemetry.logging import fast_logger
from octoroute.telemetry.metrics import Metrics
from octoroute.telemetry.rollup import Rollup
from octoroute.telemetry.stats import Statistics

log = structlog.stdlib.get_logger("octoroute.request")

_FAILURES = frozenset({Ending.FAILED, Ending.BROKEN})

LATE_S = 0.01
MAX_LATE = 64
"""How long, and how many, outcomes may wait to be written down."""
ROUTING = "routing"
"""The dialect of our own questions to the routing model: they are work for an endpoint, but nobody's request."""


class OutcomeSink:
    def __init__(self, metrics: Metrics, statistics: Statistics) -> None:
        self._metrics = metrics
        self._statistics = statistics
        metrics.on_flush = statistics.add_bulk
        self._direct = fast_logger()
        self._late: list[Outcome] = []
        self.learn: Callable[[Request, Endpoint, Usage], None] | None = None
        """Told what providers reported, for those who estimate."""
        self.remember: Callable[[Outcome, Request | None], None] | None = None
        """Told how each request of a client's ended."""
        self.watcher: Callable[[Outcome], None] | None = None
        """Told every outcome, in the task of its request."""

    def settle(self, outcome: Outcome, request: Request | None) -> None:
        """Never raises: a request is not lost for its bookkeeping. `request` is None for what never became one.

        Good news of a busy moment is written down together: the same work many times over costs a third of what it costs in
        between everything else. What went wrong is written at once.
        """
        late = self._late
        late.append(outcome)
        if outcome.ending in _FAILURES or self._direct is None or len(late) >= MAX_LATE:
            self.catch_up()
        elif len(late) == 1:
            self._catch_up_soon()
        if outcome.dialect == ROUTING:
            return
        try:
            if self.learn and request and outcome.usage is not None and outcome.endpoint is not None:
                self.learn(request, outcome.endpoint, outcome.usage)
            if self.remember:
                self.remember(outcome, request)
            if self.watcher is not None:
                self.watcher(outcome)
        except Exception as error:  # noqa: BLE001 - it is told
            self._cannot(outcome, error)

    def _catch_up_soon(self) -> None:
        try:
            asyncio.get_running_loop().call_later(LATE_S, self.catch_up)
        except RuntimeError:  # no loop runs, and nothing would be sooner than now
            self.catch_up()

    def catch_up(self) -> None:
        """Everything that was settled is written down after this."""
        late, self._late = self._late, []
        now = self._statistics.wall()
        for outcome in late:
            alike = None
            try:
                alike = self._record(outcome, now)
            except Exception as error:  # noqa: BLE001 - it is told
                self._cannot(outcome, error)
            self._tell(outcome, alike)

    def flush(self) -> None:
        """Everything that was settled can be read after this."""
        self.catch_up()
        self._metrics.flush()

    def _record(self, outcome: Outcome, at: float) -> Rollup | None:
        if outcome.dialect == ROUTING:
            self._metrics.record_attempts(outcome)
            self._statistics.record_attempts(outcome, at)
            return None
        alike = self._metrics.record(outcome, at)
        if not alike.first_attempt_ok:
            self._statistics.record_attempts(outcome, at)
        return alike

    def _cannot(self, outcome: Outcome, error: Exception) -> None:
        self._metrics.count("octoroute_metrics_recording_failures_total", "record_request")
        log.error("recording failed", request_id=outcome.request_id, error=repr(error), exc_info=error)

    def _tell(self, outcome: Outcome, alike: Rollup | None) -> None:
        if outcome.dialect == ROUTING:
            level, event = "debug", "routing question"
        else:
            level, event = "warning" if outcome.ending in _FAILURES else "info", "request"
        direct = self._direct
        if direct is None:
            getattr(log, level)(event, **access_log_fields(outcome))
        elif level in direct.levels and alike is None:
            direct.write(level, event, access_log_fields(outcome))
        elif level in direct.levels and alike is not None:
            if alike.line is None:
                alike.line = direct.prepare(level, event, static_fields(outcome))
            direct.write_prepared(level, _measured_fields(outcome), alike.line)


def access_log_fields(outcome: Outcome) -> dict[str, Any]:
    """All that is worth knowing of a request, in one flat line; what does not apply is left out."""
    return _measured_fields(outcome) | static_fields(outcome)


def static_fields(outcome: Outcome) -> dict[str, Any]:
    """What is the same for requests of the same `alike.key`."""
    attempts, decision = outcome.attempts, outcome.decision
    told: dict[str, Any] = {
        "ending": str(outcome.ending),
        "status": outcome.status,
        "asked_for": outcome.asked_for,
        "stream": outcome.stream,
    }
    if decision is not None:
        told |= {"tier": str(decision.tier), "strategy": decision.by, "why": decision.why}
        if decision.rule is not None:
            told["rule"] = decision.rule
    endpoint = outcome.endpoint or (attempts[-1].endpoint if attempts else None)
    if endpoint is not None:
        told |= {"provider": endpoint.provider, "endpoint": endpoint.id, "model": endpoint.model}
    if outcome.error is not None:
        told["error"] = outcome.error
    if outcome.key_name is not None:
        told["key"] = outcome.key_name
    return told


def _measured_fields(outcome: Outcome) -> dict[str, Any]:
    attempts, decision, usage = outcome.attempts, outcome.decision, outcome.usage
    told: dict[str, Any] = {"request_id": outcome.request_id, "total_ms": _ms(outcome.total_s)}
    if decision is not None:
        _tell_decision(told, decision, outcome.routing_s)
    if outcome.queued_s is not None:
        told["queue_ms"] = _ms(outcome.queued_s)
    if outcome.cache is not None:
        told["cache"] = outcome.cache
    if attempts:
        several = len(attempts) > 1
        told["attempts"] = [_attempted(attempt, priced=several) for attempt in attempts]
    if outcome.cascade is not None:
        told["cascade"] = outcome.cascade
        told["check"] = outcome.check
    if outcome.first_event_s is not None:
        told["first_event_ms"] = _ms(outcome.first_event_s)
    if usage is not None:
        told["input_tokens"] = usage.input_tokens
        told["output_tokens"] = usage.output_tokens
        if usage.estimated:
            told["tokens_estimated"] = True
    if outcome.context is not None:
        told |= _context(outcome.context)
    if outcome.cost_usd is not None:
        told["cost_usd"] = round(outcome.cost_usd, 8)
    return told


def _tell_decision(told: dict[str, Any], decision: Decision, routing_s: float) -> None:
    if decision.confidence is not None:
        told["score"] = decision.confidence
        told["features"] = dict(decision.features)
        told["features_hash"] = decision.features_hash
    if decision.propensity is not None:
        told["propensity"] = round(decision.propensity, 4)
    if decision.by != "client":
        told["routing_ms"] = _ms(routing_s)


def _attempted(attempt: Attempt, *, priced: bool) -> dict[str, Any]:
    told: dict[str, Any] = {"endpoint": attempt.endpoint.id, "ms": _ms(attempt.took_s), "error": attempt.error}
    if attempt.rejected is not None:
        told["rejected"] = attempt.rejected
    if priced and attempt.cost_usd is not None:
        told["cost_usd"] = round(attempt.cost_usd, 8)
    return told


def _context(use: ContextUse) -> dict[str, Any]:
    told: dict[str, Any] = {}
    if use.level is not None:
        told |= {"context": use.level, "context_percent": use.percent}
    if use.lowered_to is not None:
        told["max_tokens_lowered_to"] = use.lowered_to
    if use.messages_removed:
        told |= {"messages_removed": use.messages_removed, "original_tokens": use.original_tokens}
    return told


def _ms(seconds: float) -> float:
    """To a hundredth; `round` would cost seven times as much."""
    return (seconds * 1e5 + 0.5) // 1 / 100
