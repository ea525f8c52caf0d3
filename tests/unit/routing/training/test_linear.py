"""The linear algebra of training, against laws that its results must keep."""

from __future__ import annotations

from math import log
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoroute.routing.difficulty.model import sigmoid
from octoroute.routing.training.linear import constrained_ridge, logistic, mean, sparse_ridge, standardise

NUMBERS = st.lists(st.floats(-100, 100), min_size=1, max_size=20)


def noisy(n=300, seed=1):
    """Rows of three features, of which the first raises the target and the second lowers it."""
    rng = Random(seed)
    rows = [[rng.gauss(0, 1) for _ in range(3)] for _ in range(n)]
    return rows, [2.0 * a - b + rng.gauss(0, 0.1) for a, b, _ in rows]


@given(NUMBERS, st.floats(0.1, 9.0))
def test_equal_weights_change_no_mean(values, weight):
    assert mean(values, [weight] * len(values)) == pytest.approx(mean(values))
    assert min(values) - 1e-9 <= mean(values) <= max(values) + 1e-9


def test_the_mean_of_nothing_is_0():
    assert mean([]) == 0.0
    assert mean([5.0], [0.0]) == 0.0


def test_standardised_columns_have_mean_0_and_deviation_1_and_constant_ones_are_0():
    columns = standardise([[1.0, 7.0], [3.0, 7.0], [8.0, 7.0]])
    first, constant = columns.values
    assert mean(first) == pytest.approx(0.0, abs=1e-12)
    assert mean([value * value for value in first]) == pytest.approx(1.0)
    assert constant == [0.0, 0.0, 0.0]
    assert columns.means == [4.0, 7.0]
    assert columns.deviations[1] == 0.0


def test_ridge_finds_the_coefficients():
    rows, targets = noisy()
    columns = [list(column) for column in zip(*rows, strict=True)]
    assert constrained_ridge(columns, targets, (0, 0, 0), 1e-6) == pytest.approx([2.0, -1.0, 0.0], abs=0.05)


def test_a_sign_keeps_a_coefficient_at_0_that_wants_the_other_side():
    rows, targets = noisy()
    columns = [list(column) for column in zip(*rows, strict=True)]
    first, second, _ = constrained_ridge(columns, targets, (1, 1, 0), 1e-6)
    assert first == pytest.approx(2.0, abs=0.1)
    assert second == 0.0


def test_a_larger_penalty_gives_smaller_coefficients():
    rows, targets = noisy()
    columns = [list(column) for column in zip(*rows, strict=True)]
    sizes = [sum(map(abs, constrained_ridge(columns, targets, (0, 0, 0), penalty))) for penalty in (1.0, 100.0, 10_000.0)]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[2] < sizes[0] / 2


def test_weights_are_repetitions():
    rows, targets = noisy(40)
    twice = [*rows, *rows[:10]]
    columns, doubled = ([list(column) for column in zip(*table, strict=True)] for table in (rows, twice))
    weighted = constrained_ridge(columns, targets, (0, 0, 0), 1.0, [2.0] * 10 + [1.0] * 30)
    assert weighted == pytest.approx(constrained_ridge(doubled, [*targets, *targets[:10]], (0, 0, 0), 1.0), abs=1e-6)


def test_words_get_the_difference_that_they_make():
    rng = Random(2)
    rows = [[word for word in range(3) if rng.random() < 0.5] for _ in range(400)]
    targets = [1.5 * (0 in row) - 0.5 * (1 in row) for row in rows]
    found = sparse_ridge(rows, [1.0] * len(rows), [1.0] * 3, targets, 1e-3)
    assert found == pytest.approx([1.5, -0.5, 0.0], abs=0.01)


def test_logistic_recovers_slope_and_offset():
    rng = Random(5)
    scores = [rng.uniform(-3, 3) for _ in range(20_000)]
    labels = [float(rng.random() < sigmoid(1.5 * score - 0.5)) for score in scores]
    assert logistic(scores, labels) == pytest.approx((1.5, -0.5), abs=0.1)


def test_logistic_of_scores_that_tell_nothing_is_the_rate():
    slope, offset = logistic([0.0] * 100, [1.0] * 25 + [0.0] * 75)
    assert slope == pytest.approx(0.0, abs=1e-6)
    assert offset == pytest.approx(log(1 / 3), abs=1e-6)
