"""Every Prometheus name, its labels, and what it means: one table. Labels come from closed sets or the configuration, never
from a client.

One private registry per app, so that two fit in a process. Children are looked up once and kept; gauges are read when
somebody scrapes.
"""

from __future__ import annotations

import asyncio
import math
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple, TypeAlias

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead  # pyright: ignore[reportUnknownVariableType]
from prometheus_client.values import MutexValue, ValueClass

from octoroute.domain.decision import Decision
from octoroute.domain.endpoint import Endpoint
from octoroute.domain.outcome import ContextUse, Ending, Outcome, Usage
from octoroute.telemetry.rollup import RATIOS, ROUTING_MS, SECONDS, BucketCounts, Rollup, rollup_key


class MetricSpec(NamedTuple):
    name: str
    labels: tuple[str, ...]
    help: str
    buckets: tuple[float, ...] | None = None


GaugeSample: TypeAlias = tuple[str, tuple[str, ...], float]
"""A name of `GAUGES`, the values of its labels, and the value."""

MAX_PENDING_GROUPS = 200
"""Kinds of requests that are added up apart before they are written together."""

TABLE: tuple[MetricSpec, ...] = (
    # v1's names and meanings
    MetricSpec("octoroute_requests_total", ("tier", "strategy"), "Requests that were routed, by tier and by who decided."),
    MetricSpec(
        "octoroute_routing_duration_ms",
        ("strategy",),
        "Time to decide the tier, in milliseconds; requests whose client decided are not in it.",
        ROUTING_MS,
    ),
    MetricSpec("octoroute_model_invocations_total", ("tier",), "Answers delivered completely."),
    MetricSpec("octoroute_mid_stream_failures_total", ("endpoint",), "Answers that broke after they had begun."),
    MetricSpec("octoroute_health_tracking_failures_total", ("endpoint", "error_type"), "Health probes that could not be made."),
    MetricSpec("octoroute_metrics_recording_failures_total", ("operation",), "Outcomes that could not be recorded."),
    MetricSpec("octoroute_background_health_task_failures_total", ("failure_type",), "Restarts of the health probe's loop."),
    MetricSpec("octoroute_clock_errors_total", (), "Wall clock readings before 1970."),
    # v2's
    MetricSpec(
        "octoroute_outcomes_total",
        ("endpoint", "outcome"),
        "Requests by the endpoint that answered (or was asked last) and how they ended.",
    ),
    MetricSpec(
        "octoroute_attempts_total",
        ("endpoint", "error"),
        "Endpoints asked, by error code; empty: it answered; abandoned: the client left.",
    ),
    MetricSpec("octoroute_retries_total", ("endpoint",), "Attempts after the first of a request."),
    MetricSpec("octoroute_fallbacks_total", ("tier",), "Requests answered by another endpoint than the one asked first."),
    MetricSpec(
        "octoroute_request_duration_seconds", ("tier", "stream"), "From the request's arrival to the answer's end.", SECONDS
    ),
    MetricSpec("octoroute_first_event_seconds", ("tier",), "From the request's arrival to the answer's first event.", SECONDS),
    MetricSpec("octoroute_tokens_total", ("endpoint", "kind"), "Tokens by kind: input, output, cached, reasoning, estimated."),
    MetricSpec("octoroute_cost_usd_total", ("endpoint",), "Cost by the configured prices."),
    MetricSpec("octoroute_routing_decisions_total", ("strategy", "tier", "reason"), "Tier decisions and their reasons."),
    MetricSpec("octoroute_traffic_log_dropped_total", (), "Requests missing in the traffic log: its queue or its disk was full."),
    MetricSpec(
        "octoroute_context_levels_total", ("endpoint", "level"), "Answers whose prompt filled the window to a warning level."
    ),
    MetricSpec(
        "octoroute_context_shortened_total", ("endpoint", "what"), "Requests made to fit a window: max_tokens lowered, history cut."
    ),
    MetricSpec(
        "octoroute_prompt_estimate_ratio",
        ("endpoint",),
        "Estimated over counted prompt tokens.",
        RATIOS,
    ),
    MetricSpec("octoroute_queue_wait_seconds", ("ending",), "Time in the queue, of requests that had to wait.", SECONDS),
    MetricSpec(
        "octoroute_cascade_total",
        ("result", "check"),
        "Cheap tries by what became of them: kept, escalated, fell_back, unavailable; and the check that was not passed.",
    ),
    MetricSpec(
        "octoroute_shadow_total", ("result",), "Requests looked at by the shadow: labelled, undecided, incomplete, failed, dropped."
    ),
    MetricSpec("octoroute_shadow_cost_usd_total", (), "What the shadow's own questions cost, judge included."),
    MetricSpec("octoroute_cache_total", ("result",), "Requests by what the response cache did: hit, miss, bypass."),
    MetricSpec("octoroute_client_errors_total", ("code",), "Requests refused before any endpoint was asked."),
)

GAUGES: tuple[MetricSpec, ...] = (
    MetricSpec("octoroute_inflight_requests", (), "Requests being answered now."),
    MetricSpec("octoroute_queue_depth", (), "Requests waiting for a place now."),
    MetricSpec("octoroute_endpoint_inflight", ("endpoint",), "Requests an endpoint is answering now."),
    MetricSpec("octoroute_circuit_state", ("endpoint",), "0 closed, 1 half-open, 2 open."),
    MetricSpec("octoroute_endpoint_failures", ("endpoint",), "Consecutive failures."),
)

_SUMMED = frozenset({"octoroute_inflight_requests", "octoroute_endpoint_inflight", "octoroute_queue_depth"})
"""Over workers; of the others the worst counts."""


class Metrics:
    """`gauges` is called at each scrape. `reason` gives a decision's word from a closed set."""

    def __init__(
        self,
        gauges: Callable[[], Iterable[GaugeSample]],
        reason: Callable[[Decision], str],
    ) -> None:
        self._reason = reason
        self.on_flush: Callable[[Rollup], object] | None = None
        """Told of every kind of request that has been added up; not always in the event loop."""
        disable_created_metrics()  # a second series for each counter, which nobody reads
        self._registry = CollectorRegistry()
        self._families: dict[str, Counter | _Histogram] = {row.name: _family(row, self._registry) for row in TABLE}
        self._counters: dict[tuple[str, ...], Counter] = {}
        self._histograms: dict[tuple[str, ...], _Histogram] = {}
        self._waiting: dict[tuple[object, ...], Rollup] = {}
        self._lock = threading.Lock()
        self._folding = threading.Lock()
        self._gauges = gauges
        self._shared: dict[str, Gauge] = {}
        if ValueClass is MutexValue:
            self._registry.register(_GaugeCollector(gauges))
        else:  # several workers
            for row in GAUGES:
                mode = "livesum" if row.name in _SUMMED else "livemax"
                self._shared[row.name] = Gauge(row.name, row.help, row.labels, registry=self._registry, multiprocess_mode=mode)

    def count(self, name: str, *labels: str, by: float = 1) -> None:
        named = (name, *labels)
        child = self._counters.get(named)
        if child is None:
            family = self._families[name]
            assert isinstance(family, Counter)
            child = self._counters[named] = family.labels(*labels) if labels else family
        child.inc(by)

    def observe(self, name: str, value: float, *labels: str) -> None:
        """Raises ValueError for what is no measurement: NaN, an infinity, a negative."""
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
        """One request, wholly; gives those it counts among. Raises ValueError when its numbers make no sense, and counts nothing
        of it then.
        """
        attempts = outcome.attempts
        endpoint = outcome.endpoint or (attempts[-1].endpoint if attempts else None)
        like = rollup_key(outcome, endpoint)
        with self._lock:
            alike = self._waiting.get(like)
            if alike is None:
                alike = self._waiting[like] = Rollup(outcome, endpoint)
            alike.add(outcome, endpoint, at)
        if len(self._waiting) > MAX_PENDING_GROUPS:
            self.flush()
        if not alike.first_attempt_ok:
            self.record_attempts(outcome)
        if outcome.queued_s is not None:
            self.observe("octoroute_queue_wait_seconds", outcome.queued_s, outcome.ending)
        if outcome.cache is not None:
            self.count("octoroute_cache_total", outcome.cache)
        if endpoint is None:
            if outcome.error:
                self.count("octoroute_client_errors_total", outcome.error)
            return alike
        if outcome.context is not None:
            self._record_context(outcome.context, endpoint)
        if outcome.cascade is not None:
            self.count("octoroute_cascade_total", outcome.cascade, outcome.check or "")
        return alike

    def record_attempts(self, outcome: Outcome) -> None:
        attempts = outcome.attempts
        for attempt in attempts:
            self.count("octoroute_attempts_total", attempt.endpoint.id, attempt.error or "")
            usage, price = attempt.usage, attempt.endpoint.price
            if usage is not None and (attempt.rejected or attempt.error):
                self._record_usage(usage, attempt.endpoint, 0.0 if price is None else usage.cost(price))
        if len(attempts) > 1 and outcome.cascade not in {"escalated", "fell_back"}:  # a second opinion is no retry
            for attempt in attempts[1:]:
                self.count("octoroute_retries_total", attempt.endpoint.id)
            if outcome.endpoint is not None and outcome.endpoint.id != attempts[0].endpoint.id:
                self.count("octoroute_fallbacks_total", outcome.endpoint.tier)

    def flush(self) -> None:
        """What was added up so far goes into the registry, where a scrape finds it."""
        with self._folding:  # when this returns nothing is on its way, whoever has taken it
            with self._lock:
                waiting, self._waiting = self._waiting, {}
            for alike in waiting.values():
                if alike.count:
                    self._write(alike)
                    if self.on_flush is not None:
                        self.on_flush(alike)

    def _write(self, alike: Rollup) -> None:
        example, endpoint, count = alike.example, alike.endpoint, alike.count
        decision = example.decision
        if decision is not None:
            self.count("octoroute_requests_total", decision.tier, decision.by, by=count)
            self.count("octoroute_routing_decisions_total", decision.by, decision.tier, self._reason(decision), by=count)
            if decision.by != "client":
                self._histogram("octoroute_routing_duration_ms", decision.by).add_bulk(alike.routing_ms)
        if endpoint is None:
            return
        if alike.first_attempt_ok:
            self.count("octoroute_attempts_total", endpoint.id, "", by=count)
        self.count("octoroute_outcomes_total", endpoint.id, example.ending, by=count)
        if example.ending is Ending.ANSWERED:
            self.count("octoroute_model_invocations_total", endpoint.tier, by=count)
        elif example.ending is Ending.BROKEN:
            self.count("octoroute_mid_stream_failures_total", endpoint.id, by=count)
        streamed = "true" if example.stream else "false"
        self._histogram("octoroute_request_duration_seconds", endpoint.tier, streamed).add_bulk(alike.total_s)
        if alike.first_event_s:
            self._histogram("octoroute_first_event_seconds", endpoint.tier).add_bulk(alike.first_event_s)
        if alike.usage is not None:
            self._record_usage(alike.usage, endpoint, alike.cost_usd)
        if alike.ratio:
            self._histogram("octoroute_prompt_estimate_ratio", endpoint.id).add_bulk(alike.ratio)

    def _record_usage(self, usage: Usage, endpoint: Endpoint, cost_usd: float) -> None:
        if cost_usd:
            self.count("octoroute_cost_usd_total", endpoint.id, by=cost_usd)
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
        """The sum over a counter's children."""
        self.flush()
        return sum(sample.value for metric in self._families[name].collect() for sample in metric.samples if sample.name == name)

    def exposition(self) -> bytes:
        """Prometheus' text format, of all workers. Milliseconds of work: call it off the loop."""
        if not self._shared:
            self.flush()
            return generate_latest(self._registry)
        self.share()
        registry = CollectorRegistry()
        MultiProcessCollector(registry)
        return generate_latest(registry)

    @property
    def shared(self) -> bool:
        """Whether there are other workers, who must be told now and then."""
        return bool(self._shared)

    def share(self) -> None:
        """Tell the other workers what is otherwise worked out when somebody scrapes."""
        self.flush()
        for name, label, value in self._gauges():
            gauge = self._shared[name]
            (gauge.labels(*label) if label else gauge).set(value)


class _Histogram(Histogram):
    _sum: Any  # the library leaves both untyped
    _buckets: list[Any]

    def add_bulk(self, spread: BucketCounts) -> None:
        """What was measured and sorted elsewhere."""
        self._sum.inc(spread.sum)
        for bucket, count in zip(self._buckets, spread.counts, strict=True):
            if count:
                bucket.inc(count)


def _family(row: MetricSpec, registry: CollectorRegistry) -> Counter | _Histogram:
    if row.buckets is not None:
        return _Histogram(row.name, row.help, row.labels, buckets=row.buckets, registry=registry)
    return Counter(row.name.removesuffix("_total"), row.help, row.labels, registry=registry)


class _GaugeCollector:
    def __init__(self, samples: Callable[[], Iterable[GaugeSample]]) -> None:
        self._samples = samples

    def collect(self) -> Iterator[Metric]:
        families = {row.name: GaugeMetricFamily(row.name, row.help, labels=row.labels) for row in GAUGES}
        for name, labels, value in self._samples():
            families[name].add_metric(labels, value)
        yield from families.values()


def worker_died(pid: int) -> None:
    """Its gauges count no more; its counters do."""
    mark_process_dead(pid)


class Scraper:
    """The exposition, made in a thread and kept for a second, however many ask."""

    def __init__(
        self, metrics: Metrics, clock: Callable[[], float], keep_s: float = 1.0, *, catch_up: Callable[[], None] = lambda: None
    ) -> None:
        """`catch_up` is called first, in the loop: what has happened must be counted."""
        self._metrics = metrics
        self._catch_up = catch_up
        self._clock = clock
        self._keep_s = keep_s
        self._text = b""
        self._made_at = -math.inf
        self._lock = asyncio.Lock()

    async def text(self) -> bytes:
        async with self._lock:
            if self._clock() - self._made_at >= self._keep_s:
                self._catch_up()
                self._text = await asyncio.to_thread(self._metrics.exposition)
                self._made_at = self._clock()
            return self._text
