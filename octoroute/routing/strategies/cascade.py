"""Strategy `cascade`: the cheap tier answers first unless the client demands a tier or the request looks too hard for it. Pure."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from octoroute.domain.decision import Decision
from octoroute.domain.endpoint import CHAT_TIERS
from octoroute.domain.request import Facts
from octoroute.routing.difficulty.model import Scorer
from octoroute.routing.strategies import learned
from octoroute.routing.strategies.base import Ask, CascadeOptions, RouterSettings
from octoroute.routing.strategies.learned import LearnedRouter

__all__ = ["REASONS", "SKIPPED", "TRIED", "CascadeRouter", "build", "shift_threshold"]

TRIED = "cascade: the cheap tier is asked first"
SKIPPED = "cascade: too hard for the cheap tier"
REASONS: Mapping[str, str] = {TRIED: "cascade", SKIPPED: "cascade_skipped"}

_SCORED = frozenset({learned.SCORED, learned.AT_QUALITY})
"""Reasons of learned decisions that nothing but the score has made."""
_NEVER = 1.01
"""A threshold above every difficulty."""


class CascadeRouter:
    __slots__ = ("_learned", "_options")

    def __init__(self, router: LearnedRouter, options: CascadeOptions) -> None:
        self._learned = router
        self._options = options

    @property
    def scorer(self) -> Scorer:
        return self._learned.scorer

    @property
    def learned(self) -> LearnedRouter:
        return self._learned

    async def route(self, facts: Facts) -> Decision:
        return self.decide_first(self._learned.decide(facts, facts.quality), facts)

    def decide_first(self, decision: Decision, facts: Facts) -> Decision:
        """Which tier is asked first. `decision`: of the learned router."""
        options = self._options
        if decision.by != "learned" or decision.why not in _SCORED or decision.confidence is None:
            return decision  # the client demands a tier, or there is no text to score
        if decision.confidence >= shift_threshold(options.skip_above, facts.quality):
            tier = decision.tier if CHAT_TIERS.index(decision.tier) > CHAT_TIERS.index(options.tier) else options.escalate_to
            return msgspec.structs.replace(decision, tier=tier, why=SKIPPED)
        return msgspec.structs.replace(decision, tier=options.tier, then=options.escalate_to, why=TRIED)


def shift_threshold(limit: float, quality: float | None) -> float:
    """The threshold `limit` at the client's `quality`: at 0 it is never reached, at ½ and None unchanged, at 1 always reached."""
    if quality is None:
        return limit
    return limit + (_NEVER - limit) * (1.0 - 2.0 * quality) if quality <= 0.5 else limit * 2.0 * (1.0 - quality)


def build(settings: RouterSettings, ask: Ask) -> CascadeRouter:
    return CascadeRouter(learned.build(settings, ask), settings.cascade)
