"""Reasoning effort: budgets, words, and what a model accepts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoroute.dialects.request.reasoning_effort import (
    EFFORTS,
    MIN_BUDGET,
    budget_of,
    effort_of,
    fit_budget,
    nearest_effort,
    wants_thinking,
)
from octoroute.domain.conversation import ThinkingWish


@pytest.mark.parametrize(
    ("wish", "effort"),
    [
        (None, None),
        (ThinkingWish(enabled=False, effort="high"), "none"),
        (ThinkingWish(effort="minimal"), "minimal"),
        (ThinkingWish(enabled=True), None),
        (ThinkingWish(budget_tokens=4095), "low"),
        (ThinkingWish(budget_tokens=4096), "medium"),
        (ThinkingWish(budget_tokens=16384), "high"),
    ],
)
def test_the_effort_of_a_wish(wish, effort):
    assert effort_of(wish) == effort


@pytest.mark.parametrize(
    ("effort", "offered", "word"),
    [
        ("high", ("low", "medium", "high"), "high"),
        ("max", ("low", "medium", "high"), "high"),
        ("minimal", ("low", "high"), "low"),
        ("medium", ("low", "high"), "low"),
        ("none", ("low", "high"), None),
        ("none", ("minimal", "low"), "minimal"),
        ("low", ("none",), None),
        ("extreme", ("low", "high"), None),
        ("extreme", ("extreme",), "extreme"),
        ("low", (), None),
    ],
)
def test_the_nearest_word_that_is_offered(effort, offered, word):
    assert nearest_effort(effort, offered) == word


def test_a_budget_is_at_least_the_minimum_and_grows_with_the_effort():
    budgets = [budget_of(ThinkingWish(effort=effort)) for effort in EFFORTS[1:]]
    assert budgets == sorted(budgets) and budgets[0] == MIN_BUDGET
    assert budget_of(ThinkingWish(budget_tokens=1)) == MIN_BUDGET
    assert budget_of(ThinkingWish(enabled=True)) == budget_of(ThinkingWish(effort="medium"))


@given(st.integers(MIN_BUDGET, 100_000), st.integers(1, 100_000))
def test_a_budget_leaves_room_for_text(budget, max_tokens):
    fitted, limit = fit_budget(budget, max_tokens)
    assert MIN_BUDGET <= fitted <= max(budget, MIN_BUDGET) and fitted < limit
    assert limit - fitted >= min(max_tokens, max_tokens / 5)
    assert limit in {max_tokens, max_tokens + MIN_BUDGET}


@pytest.mark.parametrize(
    ("wish", "wants"),
    [
        (None, False),
        (ThinkingWish(), False),
        (ThinkingWish(enabled=False, budget_tokens=9), False),
        (ThinkingWish(effort="none"), False),
        (ThinkingWish(effort="low"), True),
        (ThinkingWish(adaptive=True), True),
        (ThinkingWish(enabled=True), True),
        (ThinkingWish(budget_tokens=9), True),
    ],
)
def test_whether_a_wish_wants_thinking(wish, wants):
    assert wants_thinking(wish) is wants
