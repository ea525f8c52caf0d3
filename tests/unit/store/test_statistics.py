"""Statistics of a history: queries, sums, and their forms."""

from __future__ import annotations

import csv
import io

import pytest

from octoroute.errors import BadRequest
from octoroute.store import statistics as module
from octoroute.store.memory import MemoryHistory
from octoroute.store.statistics import NUMBERS, as_csv, as_tree, statistics, stats_query, usd_text
from tests.support.history import START_S, add, entry

NOW = START_S + 4000.0


def query(*parameters, now=NOW):
    return stats_query(parameters, now)


def history():
    store = MemoryHistory()
    add(
        store,
        entry(START_S + 1, "a", tier="fast", key="ann", cost_nusd=1_500_000, total_us=100_000),
        entry(START_S + 2, "b", tier="fast", key="bob", ending="failed", status="502", first_event_us=None),
        entry(START_S + 3, "c", tier="deep", key="ann", cost_nusd=2_000_000, total_us=900_000),
        entry(START_S + 3601, "d", tier="deep", key="ann", ending="refused", status="400"),
    )
    return store


def test_without_parameters_it_is_the_last_day_by_hour():
    made = query()
    assert (made.until_s, made.bucket, made.by) == (START_S + 7200, "hour", ())
    assert made.since_s == START_S - 23 * 3600 + 3600 - 3600  # a day before now, at the beginning of its hour


@pytest.mark.parametrize(
    ("parameters", "bucket", "by"),
    [
        ((("by", "tier,key"),), "hour", ("tier", "key")),
        ((("by", "tier"), ("by", " model ,,tier")), "hour", ("tier", "model")),
        ((("by", "day"),), "day", ()),
        ((("by", "hour,reason"), ("bucket", "hour")), "hour", ("reason",)),
        ((("bucket", "all"), ("by", "endpoint")), "all", ("endpoint",)),
        ((("from", "7d"),), "day", ()),
        ((("from", "48h"), ("to", "24h")), "hour", ()),
    ],
)
def test_groups_and_buckets(parameters, bucket, by):
    made = query(*parameters)
    assert (made.bucket, made.by) == (bucket, by)


@pytest.mark.parametrize(
    ("parameters", "param"),
    [
        ((("by", "colour"),), "by"),
        ((("by", "hour,day"),), "bucket"),
        ((("bucket", "minute"),), "bucket"),
        ((("from", "soon"),), "from"),
        ((("to", "x" * 10_000),), "to"),
        ((("from", "1h"), ("to", "2h")), "from"),
        ((("from", "0"),), "from"),
        ((("from", "200d"), ("bucket", "hour")), "bucket"),
        ((("colour", "red"),), "colour"),
        ((("key", "a"),) * 101, "key"),
    ],
)
def test_what_is_wrong_is_named(parameters, param):
    with pytest.raises(BadRequest) as raised:
        query(*parameters)
    assert raised.value.param == param
    assert len(raised.value.message) < 400


async def test_sums_by_time_and_group():
    found = as_tree(await statistics(history(), query(("by", "tier"))))
    assert [(row["start"], row["tier"], row["requests"]) for row in found["buckets"]] == [
        ("2027-01-15T08:00:00Z", "deep", 1),
        ("2027-01-15T08:00:00Z", "fast", 2),
        ("2027-01-15T09:00:00Z", "deep", 1),
    ]
    assert [(row["start"], row["requests"], row["errors"]) for row in found["times"]] == [
        ("2027-01-15T08:00:00Z", 3, 1),
        ("2027-01-15T09:00:00Z", 1, 0),
    ]
    assert {row["tier"]: (row["requests"], row["cost_usd"]) for row in found["groups"]} == {
        "fast": (2, "0.001500"),
        "deep": (2, "0.002000"),
    }
    total = found["total"]
    assert tuple(total) == NUMBERS
    assert (total["requests"], total["errors"], total["refused"], total["failed"]) == (4, 1, 1, 1)
    assert (total["cost_micros"], total["cost_usd"], total["priced"]) == (3500, "0.003500", 2)
    assert total["latency_p99_ms"] == pytest.approx(900, rel=0.01)
    assert total["latency_mean_ms"] == 500
    assert (found["from"], found["to"]) == ("2027-01-14T09:00:00Z", "2027-01-15T10:00:00Z")


async def test_filters_are_joined_and_their_values_are_alternatives():
    found = await statistics(history(), query(("key", "ann"), ("tier", "deep"), ("ending", "answered"), ("ending", "failed")))
    assert (found.total.requests, found.total.cost_nusd) == (1, 2_000_000)


async def test_a_time_without_requests_has_no_numbers():
    found = as_tree(await statistics(history(), query(("key", "none"))))
    assert found["buckets"] == found["groups"] == found["times"] == []
    assert (found["total"]["requests"], found["total"]["latency_p50_ms"]) == (0, None)


async def test_csv_has_the_buckets_in_columns():
    lines = list(csv.DictReader(io.StringIO(as_csv(await statistics(history(), query(("by", "key,tier")))))))
    assert [(line["start"], line["key"], line["tier"], line["requests"], line["cost_usd"]) for line in lines] == [
        ("2027-01-15T08:00:00Z", "ann", "deep", "1", "0.002000"),
        ("2027-01-15T08:00:00Z", "ann", "fast", "1", "0.001500"),
        ("2027-01-15T08:00:00Z", "bob", "fast", "1", "0.000000"),
        ("2027-01-15T09:00:00Z", "ann", "deep", "1", "0.000000"),
    ]
    assert lines[2]["latency_p50_ms"] == ""


async def test_an_answer_of_too_many_rows_is_refused(monkeypatch):
    monkeypatch.setattr(module, "MAX_ROWS", 3)
    with pytest.raises(BadRequest, match="narrow"):
        await statistics(history(), query(("by", "key,tier")))


@pytest.mark.parametrize(
    ("micros", "text"),
    [(0, "0.000000"), (1, "0.000001"), (1_234_567, "1.234567"), (10**15, "1000000000.000000"), (-5, "-0.000005")],
)
def test_dollars_are_exact(micros, text):
    assert usd_text(micros) == text
