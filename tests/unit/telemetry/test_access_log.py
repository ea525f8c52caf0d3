"""Each outcome is recorded once: in company when all went well, at once when it did not, and before it can be read."""

from __future__ import annotations

import asyncio
import json
import logging
import math

import pytest
import structlog

from octoroute.domain.outcome import Ending, Outcome
from octoroute.telemetry.access_log import LATE_S, MAX_LATE, ROUTING, OutcomeSink
from octoroute.telemetry.exposition import Exposition, Scraper
from octoroute.telemetry.log_writer import BufferedLineWriter, FastJsonLogger
from octoroute.telemetry.metrics import Metrics
from octoroute.telemetry.stats import Statistics
from tests.support.log_output import File


@pytest.fixture
def ledger(write):
    """A ledger of a process that writes JSON directly, and its file."""
    write(style="json")
    file = File()
    structlog.configure(
        **{
            **structlog.get_config(),
            "logger_factory": FastJsonLogger(BufferedLineWriter(file, buffered=True), logging.INFO),
        }
    )
    return OutcomeSink(Metrics(lambda decision: "because"), Statistics(lambda: 0.0)), file


async def test_good_news_waits_and_bad_news_does_not(ledger):
    books, file = ledger
    basis = {"dialect": "openai", "asked_for": "auto", "stream": False, "total_s": 0.00123456}
    books.settle(Outcome(request_id="1", ending=Ending.ANSWERED, status=200, **basis), None)
    books.settle(Outcome(request_id="2", ending=Ending.ANSWERED, status=200, **{**basis, "dialect": ROUTING}), None)
    assert file.writes == []
    books.settle(Outcome(request_id="3", ending=Ending.FAILED, status=502, error="upstream_failed", **basis), None)
    told = [json.loads(line) for line in file.getvalue().splitlines()]
    assert [(line["request_id"], line["level"], line["event"]) for line in told] == [("1", "info", "request"), ("3", "warning", "request")]  # fmt: skip
    assert told[0]["total_ms"] == 1.23


def answered(number: int) -> Outcome:
    basis = {"dialect": "openai", "asked_for": "auto", "stream": False, "ending": Ending.ANSWERED, "status": 200}
    return Outcome(request_id=str(number), total_s=0.1, **basis)


async def test_good_news_is_written_down_in_company_in_its_order_and_soon(ledger):
    books, file = ledger

    def counted() -> int:
        books._metrics.flush()
        return books._statistics.snapshot()["total_requests"]

    books.settle(answered(0), None)
    assert counted() == 0
    while not counted():
        await asyncio.sleep(LATE_S)
    for number in range(1, MAX_LATE + 2):
        books.settle(answered(number), None)
    assert counted() == MAX_LATE + 1
    books.catch_up()
    assert counted() == MAX_LATE + 2
    while not file.writes:
        await asyncio.sleep(LATE_S)
    books._direct.flush()
    assert [json.loads(line)["request_id"] for line in file.getvalue().splitlines()] == [str(n) for n in range(MAX_LATE + 2)]


async def test_who_reads_the_statistics_or_the_metrics_misses_nothing(ledger):
    books, _ = ledger
    books._statistics.catch_up = books.flush
    books.settle(answered(1), None)
    assert books._statistics.snapshot()["total_requests"] == 1
    books.settle(answered(2), None)
    scraper = Scraper(Exposition(books._metrics, list), lambda: 0.0, catch_up=books.catch_up)
    await scraper.text()
    assert books._late == []


def test_without_a_loop_nothing_waits(ledger):
    books, _ = ledger
    books.settle(answered(1), None)
    assert books._late == []


async def test_no_number_breaks_the_line(ledger):
    books, file = ledger
    basis = {"request_id": "r", "dialect": "openai", "asked_for": "auto", "stream": False, "ending": Ending.BROKEN, "status": 200}
    for total_s in (math.nan, math.inf, -math.inf, -0.001, 1e300):
        books.settle(Outcome(total_s=total_s, **basis), None)
    told = [json.loads(line) for line in file.getvalue().splitlines()]
    assert len([line for line in told if line["event"] == "request"]) == 5
