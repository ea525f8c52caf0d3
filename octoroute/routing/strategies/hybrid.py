"""Rules first; the routing model only for what they leave open, because asking it costs time and tokens."""

from __future__ import annotations

from octoroute.domain.decision import Decision
from octoroute.domain.request import Facts
from octoroute.routing.strategies.base import Ask, RouterSettings
from octoroute.routing.strategies.llm import LlmRouter
from octoroute.routing.strategies.rule import decide


class HybridRouter:
    __slots__ = ("_model",)

    def __init__(self, model: LlmRouter) -> None:
        self._model = model

    async def route(self, facts: Facts) -> Decision:
        return decide(facts) or await self._model.route(facts)


def build(setting: RouterSettings, ask: Ask) -> HybridRouter:
    return HybridRouter(LlmRouter(setting, ask))
