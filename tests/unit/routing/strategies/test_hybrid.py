"""The rule table first, the routing model where no rule applies; what both share with `llm` is tested there."""

from __future__ import annotations

from octoroute.domain.endpoint import Tier
from octoroute.domain.request import Facts, Importance, Task
from octoroute.routing.strategies import STRATEGIES
from octoroute.routing.strategies.base import RouterSettings
from octoroute.routing.strategies.rule import decide

OPEN = Facts(text="Why is the sky blue?", tokens=6)
"""No rule decides it."""


class Model:
    def __init__(self, answer):
        self.answer = answer
        self.asked = []

    async def __call__(self, system, question, schema):
        self.asked.append((system, question, schema))
        return self.answer


async def test_hybrid_asks_only_when_rules_are_silent():
    model = Model("deep")
    router = STRATEGIES["hybrid"](RouterSettings(), model)
    assert (await router.route(Facts(task=Task.CODE, tokens=10))).by == "rule"
    assert (await router.route(Facts(text="hi", tokens=1))).tier is Tier.FAST
    assert (await router.route(Facts(text="What?", importance=Importance.HIGH))).tier is Tier.DEEP
    assert model.asked == []
    assert (await router.route(OPEN)).by == "llm"
    assert (await router.route(Facts(text="hi", tokens=1, importance=Importance.HIGH))).by == "llm"
    assert len(model.asked) == 2


async def test_a_rules_decision_is_passed_on_as_it_is():
    facts = Facts(task=Task.CODE, tokens=2000)
    assert await STRATEGIES["hybrid"](RouterSettings(), Model("fast")).route(facts) is decide(facts)
