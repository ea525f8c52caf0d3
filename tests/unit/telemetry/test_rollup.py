"""Rollups: a percentile is within one per cent, two halves add up to the whole, and equal labels aggregate together."""

from __future__ import annotations

import math
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoroute.domain.decision import Decision
from octoroute.domain.endpoint import Tier
from octoroute.domain.outcome import Ending
from octoroute.telemetry.access_log import static_fields
from octoroute.telemetry.rollup import PERCENTILE_ERROR, DDSketch, rollup_key
from tests.support.outcomes import ENDPOINTS, OUTCOMES, outcome
from tests.support.parts import endpoint

TIMES = st.lists(st.floats(1e-6, 3600), min_size=1, max_size=200)


def durations(times):
    made = DDSketch()
    for time in times:
        made.add(time)
    return made


@given(times=TIMES, share=st.sampled_from([0.01, 0.5, 0.9, 0.95, 0.99, 1.0]))
def test_b14_percentiles_are_within_the_stated_error(times, share):
    exact = sorted(times)[max(1, math.ceil(share * len(times))) - 1]
    assert durations(times).percentile_s(share) == pytest.approx(exact, rel=PERCENTILE_ERROR + 1e-9)


@given(times=TIMES)
def test_b14_the_mean_is_the_mean(times):
    assert durations(times).mean_s == pytest.approx(statistics.fmean(times))


@given(one=TIMES, two=TIMES)
def test_b14_two_halves_are_the_whole(one, two):
    merged = durations(one)
    merged.merge(durations(two))
    whole = durations(one + two)
    assert merged.count == whole.count
    assert [merged.percentile_s(share) for share in (0.5, 0.95, 0.99)] == [whole.percentile_s(share) for share in (0.5, 0.95, 0.99)]


def test_nothing_yet():
    assert DDSketch().mean_s is None
    assert DDSketch().percentile_s(0.5) is None


def test_a_clock_that_stands_still():
    assert durations([0.0]).percentile_s(0.5) == pytest.approx(1e-6, rel=0.02)


LABELS = {
    "ending": {"ending": Ending.BROKEN},
    "status": {"status": 499},
    "asked_for": {"asked_for": "fast"},
    "stream": {"stream": True},
    "tier": {"decision": Decision(tier=Tier.DEEP, by="rule", why="x")},
    "strategy": {"decision": Decision(tier=Tier.FAST, by="llm", why="x")},
    "why": {"decision": Decision(tier=Tier.FAST, by="rule", why="y")},
    "rule": {"decision": Decision(tier=Tier.FAST, by="rule", why="x", rule="r")},
    "provider": {"endpoint": endpoint("a", provider="other")},
    "endpoint": {"endpoint": ENDPOINTS[1]},
    "model": {"endpoint": endpoint("a", model="other")},
    "error": {"error": "upstream_failed"},
    "key": {"key_name": "key-1"},
}


@pytest.mark.parametrize("label", LABELS)
def test_requests_that_differ_in_what_their_lines_have_in_common_do_not_count_alike(label):
    one, other = outcome(), outcome(**LABELS[label])
    assert static_fields(one).get(label) != static_fields(other).get(label)
    assert rollup_key(one, one.endpoint) != rollup_key(other, other.endpoint)


@given(OUTCOMES)
def test_whatever_lines_have_in_common_is_among_these(one):
    assert static_fields(one).keys() <= LABELS.keys()


@given(OUTCOMES, OUTCOMES)
def test_requests_that_count_alike_have_the_same_labels_and_are_of_the_same_tier(one, other):
    one_endpoint, other_endpoint = (it.endpoint or (it.attempts[-1].endpoint if it.attempts else None) for it in (one, other))
    if rollup_key(one, one_endpoint) == rollup_key(other, other_endpoint):
        assert static_fields(one) == static_fields(other)
        assert one.endpoint is other.endpoint
