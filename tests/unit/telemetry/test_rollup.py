"""Rollups: outcomes with equal labels aggregate together, others do not."""

from __future__ import annotations

from bisect import bisect_left

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoroute.domain.decision import Decision
from octoroute.domain.endpoint import Tier
from octoroute.domain.outcome import Ending
from octoroute.telemetry.access_log import static_fields
from octoroute.telemetry.rollup import MAX_UNCOUNTED, BucketCounts, Rollup, rollup_key
from tests.support.outcomes import ENDPOINTS, OUTCOMES, outcome
from tests.support.parts import endpoint

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


@given(st.lists(st.floats(0, 200, allow_nan=False)), st.lists(st.floats(0, 200, allow_nan=False)))
def test_numbers_counted_together_are_in_the_buckets_that_each_belongs_to(first, then):
    bounds = [0.01, 0.5, 1.0, 2.5, 100.0]
    made = BucketCounts(bounds)
    made.extend(first)
    made.extend(then)
    expected = [0] * (len(bounds) + 1)
    for value in [*first, *then]:
        expected[bisect_left(bounds, value)] += 1
    assert made.counts == expected
    assert made.sum == pytest.approx(sum(first) + sum(then))


def test_a_rollup_that_is_never_read_holds_a_bounded_number_of_numbers():
    one = outcome()
    rollup = Rollup(one, one.endpoint)
    for _ in range(MAX_UNCOUNTED + 1):
        rollup.add(one, one.endpoint, 0.0)
    assert rollup.times.count == MAX_UNCOUNTED
    rollup.count()
    assert rollup.times.count == sum(rollup.total_s.counts) == rollup.sums.count == MAX_UNCOUNTED + 1
