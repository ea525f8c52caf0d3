from __future__ import annotations

import math
from collections import Counter
from random import Random

import pytest

from octoroute.balancing.policies.least_latency import DECAY_S, TRIAL_S
from octoroute.domain.outcome import Attempt, Ending, Outcome, Usage
from tests.support.live_gateway import Clock
from tests.support.spine import make_endpoint
from tests.unit.balancing.policies.shares import A, B, C, asked, build


class Race:
    """Requests one after the other, each taking its endpoint's pace."""

    def __init__(self, paces, seed=1, every_s=1.0, stream=False):
        self.clock = Clock()
        self.policy = build("fastest", clock=self.clock)
        self.paces = paces
        self.every_s = every_s
        self.stream = stream
        self.random = Random(seed).random
        self.endpoints = [make_endpoint(name) for name in paces]

    def go(self, count):
        """The endpoint of each request."""
        found = []
        for _ in range(count):
            first = self.policy.order(self.endpoints, asked(stream=self.stream), self.random)[0]
            self.policy.on_selected(first)
            took_s = self.paces[first.id]
            self.clock.pass_(self.every_s)
            self.policy.on_outcome(
                Outcome(
                    request_id="r",
                    dialect="openai",
                    asked_for="auto",
                    stream=self.stream,
                    ending=Ending.ANSWERED,
                    status=200,
                    attempts=(Attempt(endpoint=first, took_s=took_s),),
                    endpoint=first,
                    usage=Usage(input_tokens=1, output_tokens=101),
                    first_event_s=took_s,
                    total_s=took_s + 1.0,
                )
            )
            found.append(first.id)
        return found


@pytest.mark.parametrize("seed", range(10))
def test_b26_fastest_prefers_the_faster_and_explores_a_little(seed):
    race = Race({"a": 1.0, "b": 0.3, "c": 0.9}, seed, every_s=0.01)  # nothing known gets old meanwhile
    race.go(30)
    found = Counter(race.go(1000))
    assert 0.92 <= found["b"] / 1000 <= 0.98
    assert found["a"] >= 8
    assert found["c"] >= 8


def test_b26_fastest_looks_at_what_it_has_not_seen_for_long():
    race = Race({"a": 1.0, "b": 0.3, "c": 0.9}, every_s=1.0)
    race.go(30)
    found = Counter(race.go(1000))
    assert 0.87 <= found["b"] / 1000 <= 0.96


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("every_s", [0.05, 1.0, 5.0])
def test_b11_fastest_abandons_one_that_slows_down_within_20_requests_and_returns_within_the_decay(seed, every_s):
    race = Race({"a": 0.1, "b": 0.2}, seed, every_s)
    race.go(200)
    assert Counter(race.go(50))["a"] >= 36
    race.paces["a"] = 1.0
    race.go(20)
    assert Counter(race.go(20))["b"] >= 15, "it is abandoned"
    race.go(200)
    race.paces["a"] = 0.1
    race.go(math.ceil(DECAY_S / every_s) + 6)
    back = Counter(race.go(50))
    assert back["a"] >= 35, "it is back"


def test_b26_fastest_weighs_the_first_event_against_the_time_per_token():
    clock = Clock()
    policy = build("fastest", clock=clock)
    for endpoint, first_s, rate in ((A, 0.1, 10.0), (B, 0.6, 100.0)):
        for _ in range(5):
            clock.pass_(0.1)
            policy.on_outcome(
                Outcome(
                    request_id="r", dialect="openai", asked_for="auto", stream=True, ending=Ending.ANSWERED, status=200,
                    attempts=(Attempt(endpoint=endpoint, took_s=first_s),), endpoint=endpoint,
                    usage=Usage(output_tokens=201), first_event_s=first_s, total_s=first_s + 200 / rate,
                )
            )  # fmt: skip
    assert Counter(policy.order([A, B], asked(stream=True), Random(at).random)[0].id for at in range(100))["b"] > 85


def test_b26_fastest_sends_one_trial_at_a_time_to_an_unknown_endpoint():
    race = Race({"a": 0.1, "b": 0.2})
    race.go(30)
    unknown = [*race.endpoints, make_endpoint("new")]
    seen = []
    for _ in range(20):  # all at once: nobody has answered yet
        first = race.policy.order(unknown, asked(), lambda: 0.5)[0]
        race.policy.on_selected(first)
        seen.append(first.id)
    assert seen[0] == "new"
    assert seen.count("new") == 1


def test_b26_fastest_takes_a_timeout_for_slow_and_a_refusal_for_nothing():
    clock = Clock()
    policy = build("fastest", clock=clock)
    for endpoint, error, took_s in ((A, "upstream_timeout", 30.0), (B, None, 0.5), (C, "upstream_failed", 0.001)):
        for _ in range(4):
            clock.pass_(1)
            policy.on_outcome(
                Outcome(
                    request_id="r", dialect="openai", asked_for="auto", stream=False, ending=Ending.FAILED, status=200,
                    attempts=(Attempt(endpoint=endpoint, took_s=took_s, error=error),),
                )
            )  # fmt: skip
    order = policy.order([A, B, C], asked(), lambda: 0.5)
    assert [endpoint.id for endpoint in order] == ["c", "b", "a"], "c is unknown still, and tried first"


def test_streams_and_non_streaming_requests_are_measured_apart():
    race = Race({"a": 0.1, "b": 0.9})
    race.go(30)
    known = race.policy.order(race.endpoints, asked(stream=False), lambda: 0.5)
    unknown = [race.policy.order(race.endpoints, asked(stream=True), Random(seed).random)[0].id for seed in range(40)]
    assert known[0].id == "a"
    assert set(unknown) == {"a", "b"}, "no stream was measured, so chance decides"


def test_a_trial_without_an_outcome_ends_by_itself():
    race = Race({"a": 0.1})
    race.go(10)
    endpoints = [*race.endpoints, make_endpoint("new")]

    def first():
        return race.policy.order(endpoints, asked(), lambda: 0.5)[0].id

    assert first() == "new"
    race.policy.on_selected(endpoints[1])
    race.clock.pass_(TRIAL_S / 2)
    race.go(3)  # keeps "a" known
    assert first() == "a", "its trial is under way"
    race.clock.pass_(TRIAL_S / 2)
    race.go(3)
    assert first() == "new"
