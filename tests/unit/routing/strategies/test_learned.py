from __future__ import annotations

import pytest

from octoroute.domain.endpoint import Tier
from octoroute.domain.request import Facts, Importance, Task
from octoroute.errors import ConfigError
from octoroute.routing.difficulty.model import load
from octoroute.routing.difficulty.thresholds import LearnedOptions, Thresholds, TrafficShares
from octoroute.routing.strategies.base import RouterSettings
from octoroute.routing.strategies.learned import IMPORTANT, NOTHING_TO_JUDGE, LearnedRouter, build, build_with
from octoroute.routing.strategies.llm import never_ask

ROUTER = build(RouterSettings(), never_ask)
EASY, HARD = (
    "What is the capital of Peru?",
    "Prove that every bounded monotone sequence converges, and justify each step rigorously.",
)


async def tier(**facts):
    return (await ROUTER.route(Facts(**facts))).tier


async def test_easy_is_fast_and_hard_is_deep():
    assert await tier(text=EASY) is Tier.FAST
    assert await tier(text=HARD) is Tier.DEEP


async def test_the_same_facts_give_the_same_decision():
    assert await ROUTER.route(Facts(text=HARD)) == await ROUTER.route(Facts(text=HARD))


async def test_features_are_named_and_no_word_of_the_prompt_is():
    decision = await ROUTER.route(Facts(text=HARD + " hunter2"))
    assert (decision.by, decision.why) == ("learned", "the learned score")
    assert dict(decision.features)["reasoning"] > 0
    assert [abs(weight) for _, weight in decision.features] == sorted(
        (abs(weight) for _, weight in decision.features), reverse=True
    )
    assert "hunter2" not in repr(decision) and "monotone" not in repr(decision)
    assert decision.confidence is not None and 0 < decision.confidence < 1
    again = await ROUTER.route(Facts(text=EASY))
    assert decision.features_hash != again.features_hash and len(decision.features_hash or "") == 16


async def test_high_importance_comes_first():
    decision = await ROUTER.route(Facts(text=EASY, importance=Importance.HIGH))
    assert (decision.tier, decision.by, decision.why) == (Tier.DEEP, "rule", IMPORTANT)


async def test_important_small_talk_is_still_small_talk():
    assert await tier(text="hi", importance=Importance.HIGH, task=Task.CASUAL_CHAT) is Tier.FAST


async def test_what_the_client_calls_deep_analysis_is_deep():
    assert await tier(text=EASY, task=Task.DEEP_ANALYSIS) is Tier.DEEP


@pytest.mark.parametrize("facts", [{"tokens": 40_000}, {"attachments": True}])
async def test_hard_constraints_lift_it_out_of_fast(facts):
    assert await tier(text=EASY, **facts) is Tier.BALANCED
    assert await tier(text=EASY, importance=Importance.LOW, **facts) is Tier.FAST


async def test_the_knob_moves_one_request():
    assert await tier(text=EASY, quality=1.0) is Tier.DEEP
    assert await tier(text=HARD, quality=0.0) is Tier.FAST
    assert await tier(text=EASY, quality=0.5) is Tier.FAST
    assert ROUTER.decide(Facts(text=EASY), 0.9).tier is not Tier.FAST


async def test_an_approval_is_judged_by_what_it_approves():
    assert await tier(text="yes, go ahead", earlier=(("user", HARD), ("assistant", "Shall I?"))) is Tier.DEEP


async def test_nothing_to_judge_goes_to_the_default_tier():
    decision = await build(RouterSettings(default_tier=Tier.DEEP), never_ask).route(Facts(text=" "))
    assert (decision.tier, decision.by, decision.why) == (Tier.DEEP, "default", NOTHING_TO_JUDGE)


async def test_thresholds_are_the_operators():
    router = LearnedRouter(load(), Thresholds(balanced=0.0, deep=1.01))
    assert (await router.route(Facts(text="hi"))).tier is Tier.BALANCED


def test_options_are_checked():
    with pytest.raises(ConfigError, match="shares"):
        build_with(RouterSettings(), LearnedOptions(shares=TrafficShares(fast=0.1)))
    with pytest.raises(ConfigError, match="artefact"):
        build_with(RouterSettings(), LearnedOptions(artefact="/nowhere/router.json"))


def test_difficulty_is_the_score_of_the_subject():
    assert ROUTER.difficulty(Facts(text=HARD)) > ROUTER.difficulty(Facts(text=EASY))
