"""The exporting thread: bounded, off the request path, and quiet."""

from __future__ import annotations

import threading
import time

from octoroute.telemetry.otel import exporter as module
from octoroute.telemetry.otel.conventions import V1_41
from octoroute.telemetry.otel.exchange import TraceExchange
from octoroute.telemetry.otel.exporter import MAX_QUEUE, OtelExporter
from octoroute.telemetry.otel.spans import SpanBuilder


class Sender:
    def __init__(self, *, taken: bool = True) -> None:
        self.taken = taken
        self.traces = 0
        self.gate = threading.Event()
        self.gate.set()
        self.stopped = False

    def send_spans(self, traces):
        self.gate.wait(10)
        self.traces += len(traces) if self.taken else 0
        return self.taken

    def send_metrics(self, series, since_ns, now_ns):
        return self.taken

    def stop(self):
        self.stopped = True


def exporter(sender, **more):
    spans = SpanBuilder(V1_41, lambda endpoint: "vendor")
    return OtelExporter(lambda: sender, spans, genai=None, registry=list, wall=time.time, metrics_every_s=60, **more)


def exchange(*, sampled: bool = True) -> TraceExchange:
    return TraceExchange(None, 1, 2, sampled, 0)


def test_what_waits_is_sent_at_the_end_but_for_what_is_not_sampled():
    sender = Sender()
    one = exporter(sender)
    one.start()
    for at in range(1000):
        one.offer(exchange(sampled=at % 2 == 0))
    assert one.stop()
    assert (sender.traces, sender.stopped) == (500, True)
    assert one.stop()


def test_the_queue_is_bounded_and_the_end_too(monkeypatch, capsys):
    monkeypatch.setattr(module, "STOP_S", 0.2)
    sender = Sender()
    sender.gate.clear()
    one = exporter(sender)
    for _ in range(MAX_QUEUE + 5):
        one.offer(exchange())
    assert (len(one._queue), one._state.dropped) == (MAX_QUEUE, 5)
    one.start()
    assert not one.stop()
    assert sender.stopped
    sender.gate.set()
    one._thread.join(5)
    assert capsys.readouterr().out.count("takes no data") == 1


def test_one_line_when_it_fails_and_one_when_it_works_again(capsys):
    sender = Sender(taken=False)
    one = exporter(sender)
    for taken in (False, False, True, True):
        sender.taken = taken
        one.offer(exchange())
        one._send_traces(sender)
    out = capsys.readouterr().out
    assert (out.count("takes no data"), out.count("takes data again"), one._state.dropped) == (1, 1, 2)


def test_what_cannot_be_loaded_is_a_line_and_no_death(capsys):
    def connect():
        raise ImportError("no module")

    spans = SpanBuilder(V1_41, lambda endpoint: "vendor")
    one = OtelExporter(connect, spans, genai=None, registry=list, wall=time.time, metrics_every_s=60)
    one.start()
    one.offer(exchange())
    one.stop()
    assert "ImportError: no module" in capsys.readouterr().out
