"""The thread that turns requests into spans and metrics and sends them. Its queue is bounded, and no request ever waits for it."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

import structlog

from octoroute.telemetry.otel.exchange import TraceExchange
from octoroute.telemetry.otel.points import GenAiMetrics, MetricSeries
from octoroute.telemetry.otel.spans import SpanBuilder, SpanRecord

log = structlog.stdlib.get_logger("octoroute.otel")

MAX_QUEUE = 4096
"""Requests that wait; more are counted and dropped."""
BATCH = 256
EVERY_S = 1.0
"""How long a request waits for others before they are sent together."""
STOP_S = 3.0
"""How long the end of the process waits for what has not been sent."""

Traces = Sequence[tuple[TraceExchange, Sequence[SpanRecord]]]


class OtlpSender(Protocol):
    def send_spans(self, traces: Traces) -> bool: ...
    def send_metrics(self, series: Iterable[MetricSeries], since_ns: int, now_ns: int) -> bool: ...
    def stop(self) -> None: ...


class OtelExporter:
    def __init__(
        self,
        connect: Callable[[], OtlpSender],
        spans: SpanBuilder,
        *,
        genai: GenAiMetrics | None,
        registry: Callable[[], Iterable[MetricSeries]],
        wall: Callable[[], float],
        metrics_every_s: float,
        sends_traces: bool = True,
    ) -> None:
        """`connect` loads the SDK. `registry` reads the metrics; both are called in the thread. `genai` None: no metrics."""
        self._connect = connect
        self._spans = spans
        self._genai = genai
        self._registry = registry
        self._wall = wall
        self._metrics_every_s = metrics_every_s
        self._sends_traces = sends_traces
        self._queue: deque[TraceExchange] = deque()
        self._state = _ExportState()
        self._thread = threading.Thread(target=self._run, name="otel", daemon=True)

    def offer(self, exchange: TraceExchange) -> None:
        """Neither waits nor raises; may be called from any thread."""
        if len(self._queue) >= MAX_QUEUE:
            self._state.dropped += 1
            return
        self._queue.append(exchange)
        if len(self._queue) == BATCH:
            self._state.wake.set()

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> bool:
        """Send what waits, for at most STOP_S seconds; False: something is lost. It blocks: call it in a thread."""
        if not self._thread.is_alive():
            return True
        self._state.stopping = True
        self._state.wake.set()
        self._thread.join(STOP_S)
        if not self._thread.is_alive():
            return not self._queue
        self._state.report(taken=False)
        if self._state.sender is not None:
            self._state.sender.stop()
        return False

    def _run(self) -> None:
        state, since_ns = self._state, int(self._wall() * 1e9)
        next_metrics_at = self._wall() + self._metrics_every_s
        while True:
            state.wake.wait(EVERY_S)
            state.wake.clear()
            is_last = state.stopping
            try:
                if is_last and state.failing:  # its line is in the log; the process need not wait for it
                    return
                state.sender = sender = state.sender or self._connect()
                self._send_traces(sender)
                if self._genai is not None and (is_last or self._wall() >= next_metrics_at):
                    next_metrics_at = self._wall() + self._metrics_every_s
                    series = [*self._registry(), *self._genai.series()]
                    state.report(taken=sender.send_metrics(series, since_ns, int(self._wall() * 1e9)))
            except Exception as error:  # noqa: BLE001 - the thread goes on; a request has no part in this
                state.report(taken=False, error=error)
            if is_last:
                if state.sender is not None:
                    state.sender.stop()
                return

    def _send_traces(self, sender: OtlpSender) -> None:
        while self._queue:
            batch = [self._queue.popleft() for _ in range(min(BATCH, len(self._queue)))]
            if self._genai is not None:
                for exchange in batch:
                    self._genai.add(exchange)
            if not self._sends_traces:
                continue
            traces = [(exchange, self._spans.build(exchange)) for exchange in batch if exchange.sampled]
            if not traces:
                continue
            taken = sender.send_spans(traces)
            if not taken:
                self._state.dropped += len(traces)
            self._state.report(taken=taken)
            if not taken:
                return


class _ExportState:
    """What the thread and the others share, and what the log has been told."""

    def __init__(self) -> None:
        self.wake = threading.Event()
        self.stopping = False
        self.dropped = 0
        """Requests whose spans are lost."""
        self.sender: OtlpSender | None = None
        self.failing = False

    def report(self, *, taken: bool, error: Exception | None = None) -> None:
        """Write one line when exports begin to fail, and one when they work again."""
        if taken and self.failing:
            log.info("the OpenTelemetry collector takes data again", lost_requests=self.dropped)
        elif not taken and not self.failing:
            why = {} if error is None else {"error": f"{type(error).__name__}: {error}"[:200]}
            log.warning("the OpenTelemetry collector takes no data; requests go on, their traces are lost", **why)
        self.failing = not taken
