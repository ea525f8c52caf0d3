from __future__ import annotations

from itertools import pairwise
from math import isclose, isnan
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoroute.routing.training.metrics import Point, aiq, apgr, apgr_routellm, bootstrap, cpt, curve, interval, places

QUESTIONS = st.lists(st.tuples(st.integers(0, 5), st.booleans(), st.booleans()), min_size=1, max_size=40)


def area(points):
    weak, strong = points[0].quality, points[-1].quality
    total = sum((b.share - a.share) * (a.quality + b.quality) / 2 for a, b in pairwise(points))
    return (total - weak) / (strong - weak)


@given(QUESTIONS)
def test_apgr_is_the_area_under_the_curve(questions):
    scores, strong, weak = ([float(part) for part in column] for column in zip(*questions, strict=True))
    gains = [s - w for s, w in zip(strong, weak, strict=True)]
    if sum(gains) <= 0:
        assert isnan(apgr(scores, gains))
        return
    points = curve(scores, strong, weak)
    assert isclose(apgr(scores, gains), area(points), abs_tol=1e-9)
    assert points[0].share == 0 and isclose(points[-1].share, 1.0)


@given(QUESTIONS)
def test_ties_are_a_coin(questions):
    gains = [float(s) - float(w) for _, s, w in questions]
    if sum(gains) > 0:
        assert isclose(apgr([0.0] * len(gains), gains), 0.5)
        points = curve([1.0] * len(gains), list(gains), [0.0] * len(gains))
        assert isclose(cpt(points, 0.3), 0.3, abs_tol=1e-9)


@given(st.lists(st.integers(0, 9), min_size=1))
def test_places_are_shared_by_ties_and_average_to_a_half(scores):
    found = places(scores)
    assert isclose(sum(found) / len(found), 0.5)
    assert all((found[i] < found[j]) == (scores[i] > scores[j]) for i in range(len(scores)) for j in range(len(scores)))


def test_a_small_case_by_hand():
    # the best score holds the only gain of 1, the last a loss of 1, one more gain in the middle
    scores, strong, weak = [0.9, 0.8, 0.5, 0.1], [1, 1, 1, 0], [0, 1, 0, 1]
    assert isclose(apgr(scores, [1, 0, 1, -1]), (1 - 0.125) + (1 - 0.625) - (1 - 0.875))
    points = curve(scores, strong, weak)
    assert [point.quality for point in points] == [0.5, 0.75, 0.75, 1.0, 0.75]
    assert cpt(points, 0.5) == 0.125 and cpt(points, 1.0) == 0.25


def test_the_oracle_may_be_above_one():
    gains = [1.0, 1.0, 0.0, -1.0]
    assert apgr(gains, gains) > 1.0


def test_routellms_way_agrees_with_the_exact_sweep():
    rng = Random(1)
    n = 2000
    scores = [rng.random() for _ in range(n)]
    weak = [float(rng.random() < 0.6) for _ in range(n)]
    strong = [1.0 if rng.random() < 0.5 + 0.5 * score else w for score, w in zip(scores, weak, strict=True)]
    gains = [s - w for s, w in zip(strong, weak, strict=True)]
    assert abs(apgr_routellm(scores, strong, weak) - apgr(scores, gains)) < 0.01
    assert 0.45 < apgr_routellm([0.0] * n, strong, weak) < 0.55


def test_aiq_is_the_mean_height_of_the_hull():
    straight = [Point(0.0, 0.4, 1.0), Point(1.0, 0.8, 3.0)]
    assert isclose(aiq(straight), 0.6)
    assert isclose(aiq([straight[0], Point(0.5, 0.5, 2.0), straight[1]]), 0.6)  # below the hull
    assert isclose(aiq([straight[0], Point(0.5, 0.8, 2.0), straight[1]]), 0.7)
    assert isnan(aiq([Point(0.0, 0.4), Point(1.0, 0.8)]))


def test_no_gap_means_no_number():
    assert isnan(apgr([1.0, 2.0], [0.0, 0.0]))
    assert isnan(cpt(curve([1.0], [0.0], [1.0]), 0.5))
    assert isnan(apgr([], []))


def test_bootstrap_is_reproducible_paired_and_wide_where_little_is_known():
    rng = Random(3)
    gains = [float(rng.choice([-1, 0, 0, 1, 1])) for _ in range(300)]
    scores = {"good": [g + rng.random() * 4 for g in gains], "coin": [0.0] * 300}
    sampled = bootstrap(scores, gains, times=200, seed=5)
    assert sampled == bootstrap(scores, gains, times=200, seed=5)
    assert all(isclose(value, 0.5) for value in sampled["coin"])
    found = interval(sampled["good"])
    assert found.low < apgr(scores["good"], gains) < found.high
    small = bootstrap({"good": scores["good"][:30]}, gains[:30], times=200)
    assert interval(small["good"]).high - interval(small["good"]).low > found.high - found.low


@pytest.mark.parametrize("values", [[], [float("nan")]])
def test_an_interval_of_nothing(values):
    assert isnan(interval(values).low)
