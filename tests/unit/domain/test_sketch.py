"""Sketches of durations: a percentile is within one per cent, and two halves add up to the whole."""

from __future__ import annotations

import math
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoroute.domain.sketch import PERCENTILE_ERROR, DDSketch

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


@given(times=TIMES)
def test_a_copy_is_the_same(times):
    whole = durations(times)
    copy = DDSketch(whole.buckets, whole.sum_s)
    assert (copy.count, copy.mean_s, copy.percentile_s(0.95)) == (whole.count, whole.mean_s, whole.percentile_s(0.95))
    copy.add(1.0)
    assert copy.count == whole.count + 1


@given(times=TIMES)
def test_values_counted_together_are_counted_as_one_by_one(times):
    together = DDSketch()
    together.extend(times)
    assert (together.count, together.buckets) == (durations(times).count, durations(times).buckets)
    assert together.sum_s == pytest.approx(durations(times).sum_s)


@given(times=TIMES, others=TIMES)
def test_buckets_are_added_whichever_sketch_has_more_of_them(times, others):
    whole, other = durations([*times, *others]), durations(others)
    merged, buckets = durations(times), dict(other.buckets)
    merged.merge_buckets(buckets, other.sum_s)
    assert (merged.count, merged.buckets) == (whole.count, whole.buckets)
    assert merged.sum_s == pytest.approx(whole.sum_s)
    merged.add(1.0)
    assert buckets == other.buckets
