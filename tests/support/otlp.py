"""A collector for OTLP/HTTP, made of the published protocol buffers."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
from typing import Any, Self

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


class Collector:
    """`status` is what it answers, after `delay_s`."""

    def __init__(self, status: int = 200, delay_s: float = 0.0) -> None:
        self.status = status
        self.delay_s = delay_s
        self.spans: list[Any] = []
        self.metrics: dict[str, Any] = {}
        """By name, the latest."""
        self.resource: dict[str, Any] = {}
        self.scopes: set[tuple[str, str]] = set()
        self.headers: list[str] = []
        self.requests = 0
        self._tasks: list[asyncio.Task[Any]] = []

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._tasks.append(asyncio.current_task())
        with contextlib.closing(writer), contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while head := (await reader.readuntil(b"\r\n\r\n")).decode("latin-1"):
                self.requests += 1
                self.headers.append(head)
                length = next(int(line.split(":")[1]) for line in head.splitlines() if line.lower().startswith("content-length:"))
                body = await reader.readexactly(length)
                await asyncio.sleep(self.delay_s)
                if self.status == 200:
                    self._take(head.split(" ")[1], gzip.decompress(body))
                writer.write(f"HTTP/1.1 {self.status} X\r\ncontent-length: 0\r\n\r\n".encode())
                await writer.drain()

    def _take(self, path: str, body: bytes) -> None:
        if path == "/v1/traces":
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                self.resource = attributes(resource.resource)
                for scope in resource.scope_spans:
                    self.scopes.add((scope.scope.name, scope.schema_url))
                    self.spans += scope.spans
        elif path == "/v1/metrics":
            for resource in ExportMetricsServiceRequest.FromString(body).resource_metrics:
                for scope in resource.scope_metrics:
                    self.metrics |= {metric.name: metric for metric in scope.metrics}

    def tree(self) -> list[str]:
        """Each span on a line, below its parent, in the order of their beginnings: kind, name, status, and what it says."""
        known = {span.span_id for span in self.spans}
        lines: list[str] = []

        def add(parent: bytes, depth: int) -> None:
            below = [span for span in self.spans if (span.parent_span_id if span.parent_span_id in known else b"") == parent]
            for span in sorted(below, key=lambda span: (span.start_time_unix_nano, span.name)):
                error = f" !{span.status.message}" if span.status.code == 2 else ""
                lines.append("  " * depth + f"{KINDS[span.kind]} {span.name}{error}{_facts(span)}")
                add(span.span_id, depth + 1)

        add(b"", 0)
        return lines


KINDS = {1: "INTERNAL", 2: "SERVER", 3: "CLIENT"}
FACTS = (
    "http.response.status_code",
    "octoroute.tier",
    "octoroute.strategy",
    "octoroute.endpoint",
    "octoroute.attempts",
    "octoroute.outcome",
    "octoroute.cache",
    "octoroute.cascade",
    "octoroute.cascade.check",
    "octoroute.purpose",
    "error.type",
    "gen_ai.usage.output_tokens",
)


def _facts(span: Any) -> str:
    found = attributes(span)
    return "".join(f" {name.rpartition('.')[2]}={found[name]}" for name in FACTS if name in found)


def attributes(message: Any) -> dict[str, Any]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in message.attributes}
