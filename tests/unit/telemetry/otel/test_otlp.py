"""The SDK's exporters get what OTLP can say; tests/behaviour/test_traces.py decodes it with the published protocol buffers."""

from __future__ import annotations

import pytest

from octoroute.telemetry.otel.exchange import TraceExchange
from octoroute.telemetry.otel.otlp import OtlpClient
from octoroute.telemetry.otel.spans import SpanRecord
from octoroute.telemetry.otel.trace_context import TraceParent
from tests.support.otlp import Collector, attributes


@pytest.mark.parametrize("state", ["a=1,b=2", ""])
async def test_a_failed_span_has_its_error_and_the_traces_state(state):
    import asyncio

    async with Collector() as collector:
        client = OtlpClient(collector.url + "/", {}, resource={"service.name": "s"}, schema_url="", timeout_s=5)
        exchange = TraceExchange(TraceParent(5, 6, True, state), 5, 7, True, 0)
        record = SpanRecord("x", "client", 8, 6, 10, 20, {"n": 1, "t": "ä"}, "upstream_failed")
        assert await asyncio.to_thread(client.send_spans, [(exchange, [record])])
        assert await asyncio.to_thread(client.send_spans, [(exchange, [])])
        await asyncio.to_thread(client.stop)
    (span,) = collector.spans
    assert (span.trace_state, span.status.code, span.status.message) == (state, 2, "upstream_failed")
    assert attributes(span) == {"n": 1, "t": "ä", "error.type": "upstream_failed"}
    assert (span.start_time_unix_nano, span.end_time_unix_nano, span.parent_span_id.hex()) == (10, 20, f"{6:016x}")
