"""Which requests the cheap tier may answer first."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoroute.domain.endpoint import Tier
from octoroute.domain.request import Facts, Importance, Task
from octoroute.routing.strategies import REASONS
from octoroute.routing.strategies.base import CascadeOptions, RouterSettings
from octoroute.routing.strategies.cascade import SKIPPED, TRIED, CascadeRouter, build, shift_threshold
from octoroute.routing.strategies.llm import never_ask

ROUTER = build(RouterSettings(), never_ask)
EASY, HARD = (
    "What is the capital of Peru?",
    "Prove that every bounded monotone sequence converges, and justify each step rigorously.",
)


@given(quality=st.floats(0, 1), limit=st.floats(0, 1))
def test_the_knob_is_monotone_and_reaches_both_ends(quality, limit):
    assert shift_threshold(limit, None) == shift_threshold(limit, 0.5) == pytest.approx(limit)
    assert shift_threshold(limit, 0.0) > 1.0
    assert shift_threshold(limit, 1.0) == 0.0
    assert shift_threshold(limit, min(1.0, quality + 0.01)) <= shift_threshold(limit, quality) + 1e-9


@pytest.mark.parametrize(
    ("facts", "tier", "then", "why"),
    [
        ({"text": EASY}, Tier.FAST, Tier.DEEP, TRIED),
        ({"text": HARD}, Tier.DEEP, None, SKIPPED),
        ({"text": EASY, "importance": Importance.HIGH}, Tier.DEEP, None, "high importance"),
        ({"text": EASY, "task": Task.DEEP_ANALYSIS}, Tier.DEEP, None, None),
        ({"text": EASY, "tokens": 40_000}, Tier.BALANCED, None, None),
        ({"text": ""}, Tier.BALANCED, None, "no text to judge"),
        ({"text": HARD, "quality": 0.0}, Tier.FAST, Tier.DEEP, TRIED),
        ({"text": EASY, "quality": 1.0}, Tier.DEEP, None, SKIPPED),
    ],
)
async def test_the_cheap_tier_is_tried_or_skipped(facts, tier, then, why):
    decision = await ROUTER.route(Facts(**facts))
    assert (decision.tier, decision.then) == (tier, then)
    assert decision.why == (why or decision.why)
    assert decision.why in REASONS


async def test_a_question_too_hard_for_the_cheap_tier_goes_to_a_bigger_one_whatever_the_thresholds_say():
    router = build(RouterSettings(cascade=CascadeOptions(skip_above=0.0, escalate_to=Tier.BALANCED)), never_ask)
    assert isinstance(router, CascadeRouter)
    assert (await router.route(Facts(text=EASY))).tier is Tier.BALANCED
