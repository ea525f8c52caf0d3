"""Metrics as points: of attempts, and of a Prometheus registry."""

from __future__ import annotations

import msgspec
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from octoroute.domain.outcome import Attempt, Usage
from octoroute.telemetry.otel.conventions import LATEST, V1_41
from octoroute.telemetry.otel.exchange import SettledRequest, TraceExchange
from octoroute.telemetry.otel.points import GenAiMetrics, registry_series
from octoroute.telemetry.otel.spans import SpanBuilder
from tests.support.outcomes import outcome
from tests.support.parts import endpoint


def added(conventions, *attempts):
    metrics = GenAiMetrics(conventions, SpanBuilder(conventions, lambda endpoint: "vendor"))
    exchange = TraceExchange(None, 1, 2, False, 0)
    one = msgspec.structs.replace(outcome(), attempts=attempts, total_s=3.0, first_event_s=1.0)
    exchange.settled = SettledRequest(one, "chat", None, 0)
    metrics.add(exchange)
    metrics.add(exchange)
    return {series.name: series for series in metrics.series()}


def test_each_attempt_is_counted_with_its_error_and_estimated_tokens_are_not():
    failed = Attempt(endpoint=endpoint("a"), took_s=0.5, error="upstream_failed")
    answered = Attempt(endpoint=endpoint("b"), took_s=1.0, usage=Usage(input_tokens=9, output_tokens=4, estimated=True))
    found = added(V1_41, failed, answered)
    assert set(found) == {"gen_ai.client.operation.duration", "gen_ai.client.operation.time_to_first_chunk"}
    points = {dict(point.labels).get("error.type"): point.value for point in found["gen_ai.client.operation.duration"].points}
    assert (points["upstream_failed"].sum, points[None].sum, sum(points[None].counts)) == (1.0, 6.0, 2)


def test_tokens_are_a_histogram_by_type_or_counters():
    attempt = Attempt(endpoint=endpoint("a"), took_s=1.0, usage=Usage(input_tokens=9, output_tokens=4, cached_tokens=3))
    old = added(V1_41, attempt)["gen_ai.client.token.usage"]
    assert {dict(point.labels)["gen_ai.token.type"]: point.value.sum for point in old.points} == {"input": 18, "output": 8}
    new = {name: series.points[0].value for name, series in added(LATEST, attempt).items() if ".usage." in name}
    assert {name.partition("usage.")[2]: value for name, value in new.items()} == {
        "input_tokens": 18,
        "output_tokens": 8,
        "cache_read.input_tokens": 6,
    }


def test_a_registry_as_points():
    registry = CollectorRegistry()
    Counter("c", "a counter", ["k"], registry=registry).labels("v").inc(2)
    Gauge("g", "a gauge", registry=registry).set(3)
    histogram = Histogram("h_seconds", "a histogram", buckets=(1, 2), registry=registry)
    for value in (0.5, 1.5, 9):
        histogram.observe(value)
    counter, gauge, spread = registry_series(registry.collect())
    assert (counter.name, counter.kind, counter.points[0]) == ("c", "counter", ((("k", "v"),), 2.0))
    assert (gauge.kind, gauge.points[0].value, spread.unit) == ("gauge", 3.0, "s")
    assert spread.points[0].value == ((1.0, 2.0), (1, 1, 1), 11.0)
