"""Metrics as points of OTLP: those of GenAI, added up here from attempts, and those of the registry that /metrics shows. Pure."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, NamedTuple, TypeAlias

from prometheus_client.core import Metric

from octoroute.domain.outcome import Usage
from octoroute.telemetry.otel.conventions import CHUNK_BUCKETS, DURATION_BUCKETS, TOKEN_BUCKETS, Conventions
from octoroute.telemetry.otel.exchange import SettledRequest, TraceExchange
from octoroute.telemetry.otel.spans import SpanBuilder, error_of

Labels: TypeAlias = tuple[tuple[str, str | int | float | bool], ...]


class HistogramValue(NamedTuple):
    bounds: tuple[float, ...]
    counts: tuple[int, ...]
    """By bucket, not cumulative; the last one has no upper bound."""
    sum: float


class MetricPoint(NamedTuple):
    labels: Labels
    value: float | HistogramValue


class MetricSeries(NamedTuple):
    name: str
    help: str
    unit: str
    kind: Literal["counter", "gauge", "histogram"]
    points: Sequence[MetricPoint]


class GenAiMetrics:
    """Adds up attempts; used by one thread."""

    def __init__(self, conventions: Conventions, spans: SpanBuilder) -> None:
        self._names = conventions
        self._spans = spans
        self._histograms: dict[tuple[str, Labels], list[float]] = {}
        """Counts by bucket, then the sum."""
        self._counters: dict[tuple[str, Labels], int] = {}

    def add(self, exchange: TraceExchange) -> None:
        for settled in (*exchange.own, exchange.settled):
            if settled is not None:
                self._add(settled)

    def _add(self, settled: SettledRequest) -> None:
        outcome = settled.outcome
        for at, attempt in enumerate(outcome.attempts):
            dimensions = self._spans.dimensions(attempt, settled)
            error = error_of(attempt, at, outcome)
            labels = tuple(sorted(dimensions.items()))
            rest_s = 0.0
            if attempt.error is None:
                self._observe(self._names.first_chunk, labels, attempt.took_s, CHUNK_BUCKETS)
                if at + 1 == len(outcome.attempts) and outcome.first_event_s is not None:
                    rest_s = max(0.0, outcome.total_s - outcome.first_event_s)
            with_error = labels if error is None else (*labels, ("error.type", error))
            self._observe(self._names.duration, with_error, attempt.took_s + rest_s, DURATION_BUCKETS)
            if attempt.usage is not None and not attempt.usage.estimated:
                self._add_usage(labels, attempt.usage)

    def _add_usage(self, labels: Labels, usage: Usage) -> None:
        name = self._names.token_histogram
        if name is not None:
            for kind, tokens in (("input", usage.input_tokens), ("output", usage.output_tokens)):
                self._observe(name, (*labels, ("gen_ai.token.type", kind)), tokens, TOKEN_BUCKETS)
        for field, counter in self._names.token_counters.items():
            if tokens := getattr(usage, field):
                self._counters[counter, labels] = self._counters.get((counter, labels), 0) + tokens

    def _observe(self, name: str, labels: Labels, value: float, bounds: tuple[float, ...]) -> None:
        found = self._histograms.setdefault((name, labels), [0.0] * (len(bounds) + 2))
        found[bisect_left(bounds, value)] += 1
        found[-1] += value

    def series(self) -> Iterator[MetricSeries]:
        units = {
            self._names.duration: (DURATION_BUCKETS, "s", "GenAI operation duration."),
            self._names.first_chunk: (CHUNK_BUCKETS, "s", "Time until the first chunk of a response."),
            self._names.token_histogram: (TOKEN_BUCKETS, "{token}", "Number of input and output tokens used."),
        }
        for name, (bounds, unit, text) in units.items():
            points = [
                MetricPoint(labels, HistogramValue(bounds, tuple(int(count) for count in found[:-1]), found[-1]))
                for (of, labels), found in self._histograms.items()
                if of == name
            ]
            if name is not None and points:
                yield MetricSeries(name, text, unit, "histogram", points)
        for name in self._names.token_counters.values():
            points = [MetricPoint(labels, count) for (of, labels), count in self._counters.items() if of == name]
            if points:
                yield MetricSeries(name, "Number of tokens used.", "{token}", "counter", points)


def registry_series(families: Iterable[Metric]) -> Iterator[MetricSeries]:
    """The metrics of a Prometheus registry, under the names of /metrics without `_total`."""
    for family in families:
        points: list[MetricPoint] = []
        if family.type == "histogram":
            points = list(_histogram_points(family))
        elif family.type in {"counter", "gauge"}:
            points = [
                MetricPoint(tuple(sample.labels.items()), sample.value)
                for sample in family.samples
                if not sample.name.endswith("_created")
            ]
        if points:
            kind: Literal["counter", "gauge", "histogram"] = family.type  # pyright: ignore[reportAssignmentType]
            yield MetricSeries(family.name, family.documentation, _unit(family.name), kind, points)


def _histogram_points(family: Metric) -> Iterator[MetricPoint]:
    buckets: dict[Labels, list[tuple[float, float]]] = {}
    sums: dict[Labels, float] = {}
    for sample in family.samples:
        labels = tuple((name, value) for name, value in sample.labels.items() if name != "le")
        if sample.name.endswith("_bucket"):
            buckets.setdefault(labels, []).append((float(sample.labels["le"]), sample.value))
        elif sample.name.endswith("_sum"):
            sums[labels] = sample.value
    for labels, found in buckets.items():
        found.sort()
        before = (0.0, *(count for _, count in found[:-1]))
        counts = tuple(int(count - earlier) for (_, count), earlier in zip(found, before, strict=True))
        yield MetricPoint(labels, HistogramValue(tuple(bound for bound, _ in found[:-1]), counts, sums.get(labels, 0.0)))


def _unit(name: str) -> str:
    return "ms" if name.endswith("_ms") else "s" if name.endswith("_seconds") else ""
