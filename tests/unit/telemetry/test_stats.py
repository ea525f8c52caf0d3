"""Statistics: counts and means of a known sequence are exact."""

import msgspec
import pytest

from octoroute.domain.decision import Decision
from octoroute.domain.endpoint import Endpoint, Tier
from octoroute.domain.outcome import Attempt, Ending, Outcome, Usage
from octoroute.domain.price import Price
from octoroute.telemetry import stats as stats_module
from octoroute.telemetry.rollup import Rollup
from octoroute.telemetry.stats import Statistics

A = Endpoint(id="a", name="m", tier=Tier.FAST, kind="openai", provider="p", base_url="http://h", model="up")
B = Endpoint(id="b", name="m", tier=Tier.FAST, kind="openai", provider="q", base_url="http://h", model="up")


def outcome(ending, total_s, attempts, **more):
    return Outcome(
        request_id="r", dialect="openai", asked_for="auto", stream=False, ending=ending, status=200,
        decision=Decision(tier=Tier.BALANCED, by="rule", why=""), total_s=total_s, attempts=tuple(attempts), **more,
    )  # fmt: skip


def record(stats, one):
    tried = one.endpoint or one.attempts[-1].endpoint
    rollup = Rollup(one, tried)
    rollup.add(one, tried, stats.wall())
    rollup.count()
    stats.add_bulk(rollup)
    if not rollup.first_attempt_ok:
        stats.record_attempts(one, stats.wall())


def test_b14_exact_numbers_of_a_known_sequence():
    clock = [100.0]
    stats = Statistics(lambda: clock[0])
    answered = [Attempt(endpoint=A, took_s=1.0, error="upstream_failed"), Attempt(endpoint=B, took_s=0.5)]
    clock[0] = 101.0
    record(
        stats,
        outcome(
            Ending.ANSWERED,
            2.0,
            answered,
            endpoint=B,
            first_event_s=1.5,
            usage=Usage(input_tokens=10, output_tokens=5),
            cost_micros=250_000,
        ),
    )
    clock[0] = 102.0
    record(stats, outcome(Ending.FAILED, 9.0, [Attempt(endpoint=A, took_s=9.0, error="upstream_timeout")], key_name="key-1"))
    record(stats, outcome(Ending.ANSWERED, 4.0, [Attempt(endpoint=B, took_s=4.0)], endpoint=B, first_event_s=4.0))
    record(stats, outcome(Ending.BROKEN, 1.0, [Attempt(endpoint=B, took_s=0.1)], endpoint=B, first_event_s=0.1))
    snapshot = stats.snapshot()
    assert (snapshot["total_requests"], snapshot["successful_requests"], snapshot["failed_requests"]) == (4, 2, 2)
    assert snapshot["average_latency"] == 3.0
    assert snapshot["total_cost"] == 0.25
    assert snapshot["average_cost"] == 0.0625
    assert (snapshot["since"], snapshot["last_request_time"]) == (100.0, 102.0)
    assert (snapshot["providers"]["p"]["requests"], snapshot["providers"]["p"]["failures"]) == (2, 2)
    assert (
        snapshot["providers"]["q"]["requests"],
        snapshot["providers"]["q"]["successes"],
        snapshot["providers"]["q"]["failures"],
    ) == (
        3,
        2,
        1,
    )
    assert snapshot["providers"]["q"]["average_latency"] == pytest.approx((1.0 + 4.0) / 2)  # its own time, without the wait for p
    assert {name: row["requests"] for name, row in snapshot["tiers"].items()} == {"balanced": 1, "fast": 3}
    assert {name: row["requests"] for name, row in snapshot["keys"].items()} == {"key-1": 1, "none": 3}
    assert snapshot["models"]["m"]["requests"] == 5


def test_b14_estimated_tokens_are_told_apart():
    stats = Statistics(lambda: 0.0)
    usage = Usage(input_tokens=3, output_tokens=4, estimated=True)
    record(stats, outcome(Ending.ANSWERED, 1.0, [Attempt(endpoint=A, took_s=1.0)], endpoint=A, usage=usage, first_event_s=1.0))
    assert stats.snapshot()["token_usage"] == {"input": 0, "output": 0, "cached": 0, "reasoning": 0, "estimated": 7, "total": 7}


def test_each_attempt_is_billed_once_to_its_endpoint():
    statistics = Statistics(lambda: 0.0)
    usage, more = Usage(input_tokens=10, output_tokens=5), Usage(input_tokens=10, output_tokens=50)
    cheap = Endpoint(
        id="s",
        name="s",
        tier=Tier.FAST,
        kind="openai",
        provider="p",
        base_url="http://h/v1",
        model="s",
        price=Price(input=1.0, output=2.0),
    )
    dear = msgspec.structs.replace(cheap, id="b", name="b", tier=Tier.DEEP, provider="q", price=Price(input=10.0, output=20.0))
    attempts = (Attempt(endpoint=cheap, took_s=1.0, rejected="score", usage=usage), Attempt(endpoint=dear, took_s=1.0, usage=more))
    outcome = Outcome(
        request_id="r", dialect="openai", asked_for="auto", stream=False, ending=Ending.ANSWERED, status=200, attempts=attempts,
        endpoint=dear, usage=more, first_event_s=1.0, total_s=2.0, cost_micros=1120,
    )  # fmt: skip
    statistics.record_attempts(outcome, 0.0)
    costs = {name: row["total_cost"] for name, row in statistics.snapshot()["endpoints"].items()}
    assert costs == {"s": 20e-6, "b": 1100e-6}


def test_the_keys_that_are_told_apart_are_bounded(monkeypatch):
    monkeypatch.setattr(stats_module, "MAX_GROUPS", 2)
    stats = Statistics(lambda: 1.0)
    for name in ("ann", "bob", "eve", "mal", "ann"):
        record(stats, outcome(Ending.ANSWERED, 1.0, [Attempt(endpoint=A, took_s=1.0, error=None)], key_name=name))
    found = stats.snapshot()["keys"]
    assert {name: row["requests"] for name, row in found.items()} == {"ann": 2, "bob": 1, "(others)": 2}
