"""OpenTelemetry of a running instance, from the configuration; None and nothing loaded where it is off."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from importlib.util import find_spec

from octoroute.config.schema import Config
from octoroute.domain.version import __version__
from octoroute.errors import ConfigError
from octoroute.telemetry.metrics import Metrics
from octoroute.telemetry.otel.conventions import BY_SETTING
from octoroute.telemetry.otel.exporter import OtelExporter, OtlpSender
from octoroute.telemetry.otel.points import GenAiMetrics, MetricSeries, registry_series
from octoroute.telemetry.otel.spans import SpanBuilder
from octoroute.telemetry.otel.tracer import AsgiRoute, RequestTracer, SettlementSink
from octoroute.upstream.providers.telemetry_names import telemetry_name
from octoroute.upstream.transports.base import Transport
from octoroute.upstream.transports.traced import TracedTransport

EXPORT_TIMEOUT_S = 5.0


class OpenTelemetry:
    """Wraps what a request passes while OpenTelemetry is on; each method returns its argument while it is off."""

    def __init__(self, config: Config, metrics: Metrics, wall: Callable[[], float]) -> None:
        """Raises ConfigError if the SDK is not installed."""
        self._exporter: OtelExporter | None = None
        self._tracer: RequestTracer | None = None
        settings = config.otel
        if not settings.endpoint:
            return
        if not _has_sdk():
            raise ConfigError(["otel.endpoint: OpenTelemetry needs its SDK; install octoroute[otel]"])
        conventions = BY_SETTING[settings.semconv]
        spans = SpanBuilder(conventions, telemetry_name)

        def connect() -> OtlpSender:
            from octoroute.telemetry.otel.otlp import OtlpClient  # noqa: PLC0415 - it loads the SDK

            return OtlpClient(
                settings.endpoint,
                settings.headers,
                resource=_resource(settings.service_name),
                schema_url=conventions.schema_url,
                timeout_s=EXPORT_TIMEOUT_S,
            )

        def registry() -> list[MetricSeries]:
            metrics.flush()
            return [*registry_series(metrics.registry.collect())]

        self._exporter = OtelExporter(
            connect,
            spans,
            genai=GenAiMetrics(conventions, spans) if settings.metrics else None,
            registry=registry,
            wall=wall,
            metrics_every_s=settings.metrics_interval_seconds,
            sends_traces=settings.traces,
        )
        self._tracer = RequestTracer(self._exporter.offer, wall, settings.sample_ratio)

    def transport(self, transport: Transport) -> Transport:
        return transport if self._tracer is None else TracedTransport(transport, self._tracer.outgoing)

    def sink(self, sink: SettlementSink) -> SettlementSink:
        return sink if self._tracer is None else self._tracer.sink(sink)

    def routes(self, routes: Mapping[str, AsgiRoute]) -> Mapping[str, AsgiRoute]:
        tracer = self._tracer
        return routes if tracer is None else {path: tracer.around(route) for path, route in routes.items()}

    def start(self) -> None:
        if self._exporter is not None:
            self._exporter.start()

    async def stop(self) -> None:
        if self._exporter is not None:
            await asyncio.to_thread(self._exporter.stop)


def _has_sdk() -> bool:
    try:
        return find_spec("opentelemetry.sdk") is not None and find_spec("opentelemetry.exporter.otlp.proto.http") is not None
    except ModuleNotFoundError:  # of a package above
        return False


def _resource(service_name: str) -> Mapping[str, str]:
    return {
        "service.name": service_name,
        "service.version": __version__,
        "service.instance.id": f"{os.uname().nodename}-{os.getpid()}",
        "telemetry.sdk.language": "python",
        "telemetry.sdk.name": "opentelemetry",
    }
