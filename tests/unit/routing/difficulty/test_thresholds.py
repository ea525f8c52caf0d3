from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoroute.domain.endpoint import Tier
from octoroute.errors import ConfigError
from octoroute.routing.difficulty.thresholds import (
    LearnedOptions,
    Thresholds,
    TrafficShares,
    at_quality,
    from_shares,
    percentiles,
    quantile,
    share_below,
    thresholds_of,
)

EVEN = [i / 100 for i in range(101)]
USUAL = from_shares({"fast": 0.5, "balanced": 0.35, "deep": 0.15}, EVEN)


def test_thresholds_part_the_scale():
    limits = Thresholds(balanced=0.3, deep=0.7)
    assert [limits.tier(x) for x in (0.0, 0.29, 0.3, 0.69, 0.7, 1.0)] == [Tier.FAST] * 2 + [Tier.BALANCED] * 2 + [Tier.DEEP] * 2


@given(st.floats(0, 1), st.floats(0, 1))
def test_shares_come_out_as_asked(fast, of_rest):
    deep = (1 - fast) * of_rest
    limits = from_shares({"fast": fast, "balanced": 1 - fast - deep, "deep": deep}, EVEN)
    scores = [(i + 0.5) / 1000 for i in range(1000)]
    got = [limits.tier(score) for score in scores]
    assert abs(got.count(Tier.FAST) / 1000 - fast) < 0.012
    assert abs(got.count(Tier.DEEP) / 1000 - deep) < 0.012


def test_shares_of_nothing_and_everything():
    assert from_shares({"fast": 1.0}, EVEN).tier(1.0) is Tier.FAST
    assert from_shares({"deep": 1.0}, EVEN).tier(0.0) is Tier.DEEP
    assert from_shares({"balanced": 1.0}, EVEN).tier(0.0) is Tier.BALANCED
    assert from_shares({"balanced": 1.0}, EVEN).tier(1.0) is Tier.BALANCED


def test_the_knob_goes_from_cheap_to_good():
    ranks = [[at_quality(q, USUAL, EVEN).tier(score) for score in (0.0, 0.3, 0.6, 0.9, 0.999)] for q in (0.0, 0.3, 0.5, 0.7, 1.0)]
    order = list(Tier)
    assert set(ranks[0]) == {Tier.FAST} and set(ranks[-1]) == {Tier.DEEP}
    assert at_quality(0.5, USUAL, EVEN) == USUAL
    for lower, higher in pairwise(ranks):
        assert all(order.index(a) <= order.index(b) for a, b in zip(lower, higher, strict=True))


@given(st.floats(0, 1))
def test_quantile_and_share_undo_each_other(share):
    assert abs(share_below(EVEN, min(1.0, quantile(EVEN, share))) - share) < 1e-6


def test_percentiles_of_few_and_many():
    assert percentiles([0.5]) == [0.5] * 101
    assert percentiles([i / 1000 for i in range(1001)])[50] == 0.5


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (LearnedOptions(shares=TrafficShares(fast=0.9)), "add up"),
        (LearnedOptions(thresholds=Thresholds(balanced=0.6, deep=0.5)), "above"),
        (LearnedOptions(quality=0.5, shares=TrafficShares(fast=1.0)), "one of"),
    ],
)
def test_options_that_contradict_each_other_name_their_key(options, word):
    with pytest.raises(ConfigError, match=word) as caught:
        thresholds_of(options, EVEN)
    assert all(problem.startswith("routing.learned") for problem in caught.value.problems)


def test_the_three_ways_to_say_it():
    assert thresholds_of(LearnedOptions(), EVEN) == USUAL == thresholds_of(LearnedOptions(quality=0.5), EVEN)
    limits = Thresholds(balanced=0.2, deep=0.9)
    assert thresholds_of(LearnedOptions(thresholds=limits), EVEN) == limits
    assert thresholds_of(LearnedOptions(shares=TrafficShares(fast=0.25, balanced=0.25, deep=0.5)), EVEN).deep == 0.5
