"""Strategy `hybrid`: the rule table decides; the routing model is asked where no rule applies, because it costs time and tokens."""

from __future__ import annotations

from octoroute.domain.decision import Decision
from octoroute.domain.request import Facts
from octoroute.routing.strategies.base import Ask, RouterSettings
from octoroute.routing.strategies.llm import LlmRouter
from octoroute.routing.strategies.rule import decide


class HybridRouter:
    __slots__ = ("_llm",)

    def __init__(self, llm: LlmRouter) -> None:
        self._llm = llm

    async def route(self, facts: Facts) -> Decision:
        return decide(facts) or await self._llm.route(facts)


def build(settings: RouterSettings, ask: Ask) -> HybridRouter:
    return HybridRouter(LlmRouter(settings, ask))
