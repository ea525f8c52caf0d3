"""Spans and metrics in the SDK's terms, sent by its OTLP/HTTP exporters, which block. Loaded only while OpenTelemetry is on."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence

from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricExportResult,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags, TraceState

from octoroute.domain.version import __version__
from octoroute.telemetry.otel.exchange import TraceExchange
from octoroute.telemetry.otel.points import HistogramValue, MetricPoint, MetricSeries
from octoroute.telemetry.otel.spans import SpanRecord

_KINDS = {"server": SpanKind.SERVER, "internal": SpanKind.INTERNAL, "client": SpanKind.CLIENT}


class OtlpClient:
    def __init__(
        self, endpoint: str, headers: Mapping[str, str], *, resource: Mapping[str, str], schema_url: str, timeout_s: float
    ) -> None:
        """`endpoint`: the collector's base URL, to which /v1/traces and /v1/metrics are added."""
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)  # one line of ours tells of a failure, not one an attempt
        base, sent = endpoint.rstrip("/"), dict(headers)
        self._resource = Resource(dict(resource))
        self._scope = InstrumentationScope("octoroute", __version__, schema_url or None)
        compression = Compression.Gzip
        self._spans = OTLPSpanExporter(f"{base}/v1/traces", headers=sent, timeout=timeout_s, compression=compression)
        self._metrics = OTLPMetricExporter(f"{base}/v1/metrics", headers=sent, timeout=timeout_s, compression=compression)

    def send_spans(self, traces: Sequence[tuple[TraceExchange, Sequence[SpanRecord]]]) -> bool:
        """False: they were not taken."""
        found = [self._span(exchange, record) for exchange, records in traces for record in records]
        return not found or self._spans.export(found) is SpanExportResult.SUCCESS

    def send_metrics(self, series: Iterable[MetricSeries], since_ns: int, now_ns: int) -> bool:
        metrics = [_metric(one, since_ns, now_ns) for one in series]
        scope = ScopeMetrics(self._scope, metrics, self._scope.schema_url or "")
        data = MetricsData([ResourceMetrics(self._resource, [scope], "")])
        return self._metrics.export(data) is MetricExportResult.SUCCESS  # pyright: ignore[reportUnknownMemberType] - its **kwargs

    def stop(self) -> None:
        """End an export that waits for its next try. May be called in another thread."""
        self._spans.shutdown()
        self._metrics.shutdown()  # pyright: ignore[reportUnknownMemberType]

    def _span(self, exchange: TraceExchange, record: SpanRecord) -> ReadableSpan:
        state = TraceState.from_header([exchange.parent.state]) if exchange.parent and exchange.parent.state else None

        def context(span_id: int, *, remote: bool = False) -> SpanContext:
            return SpanContext(exchange.trace_id, span_id, remote, TraceFlags(TraceFlags.SAMPLED), state)

        is_remote = exchange.parent is not None and record.parent_id == exchange.parent.span_id
        attributes = record.attributes if record.error is None else {**record.attributes, "error.type": record.error}
        return ReadableSpan(
            name=record.name,
            context=context(record.span_id),
            parent=context(record.parent_id, remote=is_remote) if record.parent_id else None,
            resource=self._resource,
            attributes=attributes,
            kind=_KINDS[record.kind],
            status=Status(StatusCode.UNSET) if record.error is None else Status(StatusCode.ERROR, record.error),
            start_time=record.start_ns,
            end_time=record.end_ns,
            instrumentation_scope=self._scope,
        )


def _metric(series: MetricSeries, since_ns: int, now_ns: int) -> Metric:
    cumulative = AggregationTemporality.CUMULATIVE
    if series.kind == "histogram":
        data = Histogram([_histogram_point(point, since_ns, now_ns) for point in series.points], cumulative)
    else:
        numbers = [NumberDataPoint(dict(point.labels), since_ns, now_ns, _number(point.value)) for point in series.points]
        data = Gauge(numbers) if series.kind == "gauge" else Sum(numbers, cumulative, is_monotonic=True)
    return Metric(series.name, series.help, series.unit, data)


def _number(value: float | HistogramValue) -> float:
    assert not isinstance(value, HistogramValue)
    return value


def _histogram_point(point: MetricPoint, since_ns: int, now_ns: int) -> HistogramDataPoint:
    value = point.value
    assert isinstance(value, HistogramValue)
    return HistogramDataPoint(
        attributes=dict(point.labels),
        start_time_unix_nano=since_ns,
        time_unix_nano=now_ns,
        count=sum(value.counts),
        sum=value.sum,
        bucket_counts=list(value.counts),
        explicit_bounds=list(value.bounds),
        min=None,  # pyright: ignore[reportArgumentType] - not known, which OTLP allows
        max=None,  # pyright: ignore[reportArgumentType]
    )
