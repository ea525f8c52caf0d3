"""The shadow worker labels an answered request: it asks the other tiers, compares, and spends no more than its budget."""

from __future__ import annotations

import itertools
import json

import pytest

from octoroute.domain.decision import Decision
from octoroute.domain.endpoint import Tier
from octoroute.domain.outcome import Ending, Outcome
from octoroute.domain.price import Price
from octoroute.gateway.internal_calls import InternalCalls
from octoroute.gateway.shadow.worker import ShadowBudget, ShadowJob, ShadowWorker
from octoroute.routing.difficulty.model import load
from tests.support.fake import completion
from tests.support.spine import Spine, make_endpoint
from tests.support.virtual import now

SCORER = load()
PRICE = Price(input=1.0, output=1.0)
DECISION = Decision(tier=Tier.BALANCED, by="learned", why="because", confidence=0.25, features_hash="abc")


class Stage:
    def __init__(self, behave=None, budget_usd=1.0, price=PRICE) -> None:
        self.spine = Spine([make_endpoint(tier.value, tier=tier, price=price) for tier in (Tier.FAST, Tier.BALANCED)], behave or {})
        self.spent: list[float] = []
        ids = itertools.count(1)
        calls = InternalCalls(lambda: self.spine.gateway, lambda: f"own{next(ids)}")
        self.worker = ShadowWorker(lambda: self.spine.gateway, calls, lambda: SCORER, now)
        self.budget = ShadowBudget(lambda: budget_usd - sum(self.spent), self.spent.append)

    def job(self, text: str, *, decision=DECISION, raw: bytes | None = None) -> ShadowJob:
        request = self.spine.request()
        endpoint = self.spine.gateway.settings.tier(Tier.BALANCED)[0]
        outcome = Outcome(
            request_id=request.id,
            dialect="openai",
            asked_for="auto",
            stream=False,
            ending=Ending.ANSWERED,
            status=200,
            endpoint=endpoint,
            cost_micros=500_000,
            total_s=2.0,
        )
        return ShadowJob(request, decision, outcome, [raw or json.dumps(completion(text)).encode()])

    def label(self, job: ShadowJob, judge_tier: Tier | None = None):
        return self.worker.label(job, judge_tier, self.budget)


async def test_equal_answers_mean_that_the_small_tier_was_good_enough():
    stage = Stage()
    result = await stage.label(stage.job("hello from fast"))
    assert (result.result, result.label, result.how) == ("labelled", 0, "exact")
    assert (result.quality, result.costs[Tier.BALANCED]) == ({Tier.FAST: 1.0, Tier.BALANCED: 1.0}, 0.5)
    assert (result.score, result.features_hash) == (0.25, "abc")
    assert result.latency_ms[Tier.BALANCED] == 2000
    assert stage.spent == [pytest.approx(result.costs[Tier.FAST])]


@pytest.mark.parametrize(("judge", "calls"), [(None, 1), (Tier.FAST, 3)])
async def test_different_answers_stay_undecided_without_a_judge_that_chooses(judge, calls):
    stage = Stage()
    result = await stage.label(stage.job("something else"), judge)
    assert (result.result, result.label, result.quality) == ("undecided", None, {})
    assert len(stage.spent) == calls


async def test_a_tier_that_does_not_answer_fails_the_job():
    stage = Stage({"fast": "500"})
    assert (await stage.label(stage.job("x"))).result == "failed"
    assert stage.spent == []


async def test_no_other_tier_stands_in_for_one_that_is_unavailable():
    stage = Stage()
    (fast,) = stage.spine.gateway.settings.tier(Tier.FAST)
    stage.spine.health.set_enabled(fast, on=False)
    assert (await stage.label(stage.job("x"))).result == "failed"
    assert (stage.spine.transport.asked, stage.spent) == ([], [])


async def test_without_money_no_tier_is_asked():
    stage = Stage(budget_usd=0.0)
    assert (await stage.label(stage.job("x"))).result == "failed"
    assert stage.spine.transport.asked == []


async def test_an_answer_that_cannot_be_read_is_incomplete():
    stage = Stage()
    assert (await stage.label(stage.job("", raw=b"nonsense"))).result == "incomplete"
    assert stage.spine.transport.asked == []


async def test_a_request_that_no_model_scored_is_scored_here():
    stage = Stage(budget_usd=0.0)
    result = await stage.label(stage.job("x", decision=Decision(tier=Tier.BALANCED, by="rule", why="because")))
    assert 0 <= result.score <= 1
    assert result.features_hash
