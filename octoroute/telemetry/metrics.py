"""The Prometheus registry of one application, and the recording of outcomes in it. A label's value never comes from a client.

Each application has a registry of its own, so that two fit in a process. Outcomes with the same labels are added up in a `Rollup`
first and flushed into the registry together, because one Prometheus update costs as much as recording the whole request.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics

from octoroute.domain.decision import Decision
from octoroute.domain.endpoint import Endpoint
from octoroute.domain.outcome import ContextUse, Ending, Outcome, Usage
from octoroute.domain.price import to_usd
from octoroute.telemetry.metric_catalog import TABLE, MetricSpec
from octoroute.telemetry.rollup import BucketCounts, Rollup, rollup_key

MAX_PENDING_GROUPS = 200
"""Rollups that are held before they are all flushed."""


class Metrics:
    def __init__(self, reason: Callable[[Decision], str], *, on_flush: Callable[[Rollup], object] | None = None) -> None:
        """`reason` maps a decision to a metric label from a closed set. `on_flush` is called with each rollup that is flushed, in
        the thread that flushes.
        """
        self._reason = reason
        self._on_flush = on_flush
        disable_created_metrics()  # they double the series of every counter, and no dashboard here reads them
        self.registry = CollectorRegistry()
        self._families: dict[str, Counter | _Histogram] = {row.name: _family(row, self.registry) for row in TABLE}
        self._counters: dict[tuple[str, ...], Counter] = {}
        self._histograms: dict[tuple[str, ...], _Histogram] = {}
        self._pending: dict[tuple[object, ...], Rollup] = {}
        self._lock = threading.Lock()
        self._flush_lock = threading.Lock()

    def count(self, name: str, *labels: str, by: float = 1) -> None:
        named = (name, *labels)
        child = self._counters.get(named)
        if child is None:
            family = self._families[name]
            assert isinstance(family, Counter)
            child = self._counters[named] = family.labels(*labels) if labels else family
        child.inc(by)

    def observe(self, name: str, value: float, *labels: str) -> None:
        """Raises ValueError if `value` is NaN, infinite, or negative."""
        if not math.isfinite(value) or value < 0:
            raise ValueError(f"{name}: {value} is not a measurement")
        self._histogram(name, *labels).observe(value)

    def _histogram(self, name: str, *labels: str) -> _Histogram:
        named = (name, *labels)
        child = self._histograms.get(named)
        if child is None:
            family = self._families[name]
            assert isinstance(family, _Histogram)
            child = self._histograms[named] = family.labels(*labels) if labels else family
        return child

    def record(self, outcome: Outcome, at: float = 0.0) -> Rollup:
        """Count one finished request and return the rollup that it was added to.

        Raises ValueError if its times or tokens are no measurements, and then counts nothing of it.
        """
        attempts = outcome.attempts
        endpoint = outcome.endpoint or (attempts[-1].endpoint if attempts else None)
        key = rollup_key(outcome, endpoint)
        with self._lock:
            rollup = self._pending.get(key)
            if rollup is None:
                rollup = self._pending[key] = Rollup(outcome, endpoint)
            rollup.add(outcome, endpoint, at)
        if len(self._pending) > MAX_PENDING_GROUPS:
            self.flush()
        if not rollup.first_attempt_ok:
            self.record_attempts(outcome)
        if outcome.queued_s is not None:
            self.observe("octoroute_queue_wait_seconds", outcome.queued_s, outcome.ending)
        if outcome.cache is not None:
            self.count("octoroute_cache_total", outcome.cache)
        if endpoint is None:
            if outcome.error:
                self.count("octoroute_client_errors_total", outcome.error)
            return rollup
        if outcome.context is not None:
            self._record_context(outcome.context, endpoint)
        for change in outcome.context_changes:
            self.count("octoroute_context_shortened_total", endpoint.id, change.what)
        if outcome.cascade is not None:
            self.count("octoroute_cascade_total", outcome.cascade, outcome.check or "")
        return rollup

    def record_attempts(self, outcome: Outcome, *, is_own: bool = False) -> None:
        """Count each attempt, and the usage of those whose answer no client got.

        `is_own`: the request is one of the gateway, which nothing else counts.
        """
        attempts = outcome.attempts
        for attempt in attempts:
            self.count("octoroute_attempts_total", attempt.endpoint.id, attempt.error or "")
            usage, price = attempt.usage, attempt.endpoint.price
            if usage is not None and (is_own or attempt.rejected or attempt.error):
                self._record_usage(usage, attempt.endpoint, 0 if price is None else usage.cost_micros(price))
        if len(attempts) > 1 and outcome.cascade not in {"escalated", "fell_back"}:  # an escalation is no retry
            for attempt in attempts[1:]:
                self.count("octoroute_retries_total", attempt.endpoint.id)
            if outcome.endpoint is not None and outcome.endpoint.id != attempts[0].endpoint.id:
                self.count("octoroute_fallbacks_total", outcome.endpoint.tier)

    def flush(self) -> None:
        """Write all pending rollups into the registry. Returns after a flush of another thread has finished, too."""
        with self._flush_lock:
            with self._lock:
                pending, self._pending = self._pending, {}
            for rollup in pending.values():
                if rollup.sums.count:
                    rollup.count()
                    self._write(rollup)
                    if self._on_flush is not None:
                        self._on_flush(rollup)

    def _write(self, rollup: Rollup) -> None:
        example, endpoint, count = rollup.example, rollup.endpoint, rollup.sums.count
        decision = example.decision
        if decision is not None:
            self.count("octoroute_requests_total", decision.tier, decision.by, by=count)
            self.count("octoroute_routing_decisions_total", decision.by, decision.tier, self._reason(decision), by=count)
            if decision.by != "client":
                self._histogram("octoroute_routing_duration_ms", decision.by).add_bulk(rollup.routing_ms)
        if endpoint is None:
            return
        if rollup.first_attempt_ok:
            self.count("octoroute_attempts_total", endpoint.id, "", by=count)
        self.count("octoroute_outcomes_total", endpoint.id, example.ending, by=count)
        if example.ending is Ending.ANSWERED:
            self.count("octoroute_model_invocations_total", endpoint.tier, by=count)
        elif example.ending is Ending.BROKEN:
            self.count("octoroute_mid_stream_failures_total", endpoint.id, by=count)
        streamed = "true" if example.stream else "false"
        self._histogram("octoroute_request_duration_seconds", endpoint.tier, streamed).add_bulk(rollup.total_s)
        if rollup.first_event_s:
            self._histogram("octoroute_first_event_seconds", endpoint.tier).add_bulk(rollup.first_event_s)
        if rollup.usage is not None:
            self._record_usage(rollup.usage, endpoint, rollup.sums.cost_micros)
        if rollup.estimate_ratio:
            self._histogram("octoroute_prompt_estimate_ratio", endpoint.id).add_bulk(rollup.estimate_ratio)

    def _record_usage(self, usage: Usage, endpoint: Endpoint, cost_micros: int) -> None:
        if cost_micros:
            self.count("octoroute_cost_usd_total", endpoint.id, by=to_usd(cost_micros))
        if usage.estimated:
            self.count("octoroute_tokens_total", endpoint.id, "estimated", by=usage.input_tokens + usage.output_tokens)
            return
        self.count("octoroute_tokens_total", endpoint.id, "input", by=usage.input_tokens)
        self.count("octoroute_tokens_total", endpoint.id, "output", by=usage.output_tokens)
        if usage.cached_tokens:
            self.count("octoroute_tokens_total", endpoint.id, "cached", by=usage.cached_tokens)
        if usage.reasoning_tokens:
            self.count("octoroute_tokens_total", endpoint.id, "reasoning", by=usage.reasoning_tokens)

    def _record_context(self, context: ContextUse, endpoint: Endpoint) -> None:
        if context.level is not None:
            self.count("octoroute_context_levels_total", endpoint.id, context.level)
        if context.lowered_to is not None:
            self.count("octoroute_context_shortened_total", endpoint.id, "max_tokens")
        if context.messages_removed:
            self.count("octoroute_context_shortened_total", endpoint.id, "history")

    def total(self, name: str) -> float:
        """The sum over all label values of a counter."""
        self.flush()
        return sum(sample.value for metric in self._families[name].collect() for sample in metric.samples if sample.name == name)


class _Histogram(Histogram):
    _sum: Any  # the library leaves both untyped
    _buckets: list[Any]

    def add_bulk(self, spread: BucketCounts) -> None:
        """Add measurements that were counted by bucket elsewhere; their bounds must be this histogram's."""
        self._sum.inc(spread.sum)
        for bucket, count in zip(self._buckets, spread.counts, strict=True):
            if count:
                bucket.inc(count)


def _family(row: MetricSpec, registry: CollectorRegistry) -> Counter | _Histogram:
    if row.buckets is not None:
        return _Histogram(row.name, row.help, row.labels, buckets=row.buckets, registry=registry)
    return Counter(row.name.removesuffix("_total"), row.help, row.labels, registry=registry)
