"""Each outcome is recorded once: in company when all went well, at once when it did not, and before it can be read."""

from __future__ import annotations

import asyncio
import json
import logging
import math

import msgspec
import pytest
import structlog

from octoroute.domain.outcome import ContextChange, Ending, Outcome
from octoroute.telemetry.access_log import MAX_PENDING_OUTCOMES, MAX_RECORD_DELAY_S, ROUTING, OutcomeSink
from octoroute.telemetry.exposition import Exposition, Scraper
from octoroute.telemetry.log_writer import BufferedLineWriter, FastJsonLogger
from octoroute.telemetry.metrics import Metrics
from octoroute.telemetry.stats import Statistics
from tests.support.log_output import File
from tests.support.parts import request as make_request


@pytest.fixture
def sink_and_file(write):
    """A sink of a process that writes JSON directly, and its file."""
    write(style="json")
    file = File()
    structlog.configure(
        **{
            **structlog.get_config(),
            "logger_factory": FastJsonLogger(BufferedLineWriter(file, buffered=True), logging.INFO),
        }
    )
    return sink_of(Statistics(lambda: 0.0)), file


def sink_of(statistics: Statistics) -> OutcomeSink:
    return OutcomeSink(Metrics(lambda decision: "because", on_flush=statistics.add_bulk), statistics)


async def test_good_news_waits_and_bad_news_does_not(sink_and_file):
    sink, file = sink_and_file
    basis = {"dialect": "openai", "asked_for": "auto", "stream": False, "total_s": 0.00123456}
    sink.settle(Outcome(request_id="1", ending=Ending.ANSWERED, status=200, **basis), None)
    sink.settle(Outcome(request_id="2", ending=Ending.ANSWERED, status=200, **{**basis, "dialect": ROUTING}), None)
    assert file.writes == []
    sink.settle(Outcome(request_id="3", ending=Ending.FAILED, status=502, error="upstream_failed", **basis), None)
    lines = [json.loads(line) for line in file.getvalue().splitlines()]
    assert [(line["request_id"], line["level"], line["event"]) for line in lines] == [("1", "info", "request"), ("3", "warning", "request")]  # fmt: skip
    assert lines[0]["total_ms"] == 1.23


def answered(number: int) -> Outcome:
    basis = {"dialect": "openai", "asked_for": "auto", "stream": False, "ending": Ending.ANSWERED, "status": 200}
    return Outcome(request_id=str(number), total_s=0.1, **basis)


async def test_good_news_is_written_down_in_company_in_its_order_and_soon(sink_and_file):
    sink, file = sink_and_file

    def counted() -> int:
        sink._metrics.flush()
        return sink._statistics.snapshot()["total_requests"]

    sink.settle(answered(0), None)
    assert counted() == 0
    while not counted():
        await asyncio.sleep(MAX_RECORD_DELAY_S)
    for number in range(1, MAX_PENDING_OUTCOMES + 2):
        sink.settle(answered(number), None)
    assert counted() == MAX_PENDING_OUTCOMES + 1
    sink.catch_up()
    assert counted() == MAX_PENDING_OUTCOMES + 2
    while not file.writes:
        await asyncio.sleep(MAX_RECORD_DELAY_S)
    sink._direct.flush()
    assert [json.loads(line)["request_id"] for line in file.getvalue().splitlines()] == [
        str(n) for n in range(MAX_PENDING_OUTCOMES + 2)
    ]


async def test_who_reads_the_statistics_or_the_metrics_misses_nothing(sink_and_file):
    def catch_up() -> None:
        sink.flush()

    sink = sink_of(Statistics(lambda: 0.0, catch_up=catch_up))
    sink.settle(answered(1), None)
    assert len(sink._pending) == 1
    assert sink._statistics.snapshot()["total_requests"] == 1
    sink.settle(answered(2), None)
    scraper = Scraper(Exposition(sink._metrics, list), lambda: 0.0, catch_up=sink.catch_up)
    await scraper.text()
    assert sink._pending == []


async def test_what_was_changed_in_the_history_is_in_the_line(sink_and_file):
    sink, file = sink_and_file
    basis = {"dialect": "openai", "asked_for": "auto", "stream": False, "total_s": 0.1, "error": "x"}
    changes = (ContextChange("images", "context: 1 older images replaced by text"),)
    sink.settle(Outcome(request_id="1", ending=Ending.FAILED, status=502, context_changes=changes, **basis), None)
    (line,) = map(json.loads, file.getvalue().splitlines())
    assert line["context_changes"] == ["context: 1 older images replaced by text"]


def test_without_a_loop_nothing_waits(sink_and_file):
    sink, _ = sink_and_file
    sink.settle(answered(1), None)
    assert sink._pending == []


async def test_no_number_breaks_the_line(sink_and_file):
    sink, file = sink_and_file
    basis = {"request_id": "r", "dialect": "openai", "asked_for": "auto", "stream": False, "ending": Ending.BROKEN, "status": 200}
    for total_s in (math.nan, math.inf, -math.inf, -0.001, 1e300):
        sink.settle(Outcome(total_s=total_s, **basis), None)
    lines = [json.loads(line) for line in file.getvalue().splitlines()]
    assert len([line for line in lines if line["event"] == "request"]) == 5


async def test_an_observer_is_called_with_each_outcome_until_it_is_removed(sink_and_file):
    sink, _ = sink_and_file
    seen, request = [], make_request()
    sink.observe("first", lambda outcome, request: seen.append(("first", outcome.request_id, request)))
    sink.observe("second", lambda outcome, request: seen.append(("second", outcome.request_id, request)))
    sink.settle(answered(1), request)
    sink.observe("first", None)
    assert list(sink.observers) == ["second"]
    sink.observe("second", lambda outcome, request: seen.append(("replaced", outcome.request_id, request)))
    sink.settle(answered(2), None)
    assert seen == [("first", "1", request), ("second", "1", request), ("replaced", "2", None)]


async def test_the_gateways_own_requests_are_not_observed(sink_and_file):
    sink, _ = sink_and_file
    seen = []
    sink.observe("observer", lambda outcome, request: seen.append(outcome))
    sink.settle(msgspec.structs.replace(answered(1), dialect=ROUTING), None)
    assert seen == []


async def test_an_observer_that_fails_does_not_fail_the_request(sink_and_file):
    sink, _ = sink_and_file
    sink.observe("broken", lambda outcome, request: 1 / 0)
    sink.settle(answered(1), None)
    sink.flush()
    assert sink._metrics.total("octoroute_metrics_recording_failures_total") == 1
    assert sink._metrics.total("octoroute_requests_total") == 0  # it had no routing decision
    assert sink._statistics.snapshot()["total_requests"] == 1
