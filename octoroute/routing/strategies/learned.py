"""Strategy `learned`: what the client demands comes first, then a learned difficulty score. Pure; no request is sent."""

from __future__ import annotations

from collections.abc import Mapping

from octoroute.domain.decision import Decision
from octoroute.domain.endpoint import Tier
from octoroute.domain.request import Facts, Importance, Task
from octoroute.routing.difficulty.features import extract_features, features_hash
from octoroute.routing.difficulty.model import Scorer, load
from octoroute.routing.difficulty.subject import subject
from octoroute.routing.difficulty.thresholds import LearnedOptions, Thresholds, at_quality, thresholds_of
from octoroute.routing.strategies.base import Ask, RouterSettings

__all__ = ["IMPORTANT", "NOTHING_TO_JUDGE", "REASONS", "LearnedOptions", "LearnedRouter", "build", "build_with"]

IMPORTANT = "high importance"
NOTHING_TO_JUDGE = "no text to judge"
SCORED = "the learned score"
AT_QUALITY = "the learned score, at the quality that the client asked for"
CALLED_DEEP = "the learned score; the client calls it deep analysis"
LONG = "the learned score; the context is long"
ATTACHED = "the learned score; there are attachments"
REASONS: Mapping[str, str] = {
    IMPORTANT: "important",
    NOTHING_TO_JUDGE: "no_text",
    SCORED: "score",
    AT_QUALITY: "asked_quality",
    CALLED_DEEP: "called_deep",
    LONG: "long_context",
    ATTACHED: "attachments",
}

LONG_CONTEXT_TOKENS = 30_000
"""Prompt tokens from which the fast tier is not used: small models lose track of long contexts."""


class LearnedRouter:
    """Deterministic; one decision takes about a tenth of a millisecond."""

    __slots__ = ("_default_tier", "_thresholds", "scorer")

    def __init__(self, scorer: Scorer, thresholds: Thresholds, default_tier: Tier = Tier.BALANCED) -> None:
        self.scorer = scorer
        self._thresholds = thresholds
        self._default_tier = default_tier

    @property
    def thresholds(self) -> Thresholds:
        return self._thresholds

    async def route(self, facts: Facts) -> Decision:
        return self.decide(facts, facts.quality)

    def decide(self, facts: Facts, quality: float | None = None) -> Decision:
        """`quality`: 0..1, moves the thresholds for this request only; None: as configured."""
        if is_important(facts):
            return self.decide_by_score(None, facts)
        text = subject(facts.text, facts.earlier)
        if not text:
            return self.decide_by_score(None, facts, quality)
        features = extract_features(text)
        score = self.scorer.explain_features(features)
        return self.decide_by_score(
            round(score.difficulty, 4),
            facts,
            quality,
            tuple((reason.name, reason.weight) for reason in score.reasons),
            features_hash(features),
        )

    def decide_by_score(
        self,
        difficulty: float | None,
        facts: Facts,
        quality: float | None = None,
        features: tuple[tuple[str, float], ...] = (),
        features_hash: str | None = None,
    ) -> Decision:
        """`difficulty`: rounded to four digits, so that the decision can be repeated from what is recorded; None: no text.

        The text of `facts` is not read.
        """
        if is_important(facts):
            return Decision(tier=Tier.DEEP, by="rule", why=IMPORTANT)
        if difficulty is None:
            return Decision(tier=self._default_tier, by="default", why=NOTHING_TO_JUDGE)
        tier, why = self._tier(difficulty, facts, quality)
        return Decision(tier=tier, by="learned", why=why, confidence=difficulty, features=features, features_hash=features_hash)

    def difficulty(self, facts: Facts) -> float:
        """The chance, 0..1, that the cheap model's answer would be inadequate."""
        return self.scorer.difficulty(subject(facts.text, facts.earlier))

    def tier_at(self, difficulty: float, quality: float | None = None) -> Tier:
        thresholds = self._thresholds
        if quality is not None:
            thresholds = at_quality(quality, thresholds, self.scorer.model.percentiles)
        return thresholds.tier(difficulty)

    def _tier(self, difficulty: float, facts: Facts, quality: float | None) -> tuple[Tier, str]:
        """(tier, why): the tier of the score, unless the task, the context's length, or attachments demand a bigger one."""
        tier = self.tier_at(difficulty, quality)
        if facts.task is Task.DEEP_ANALYSIS and tier is not Tier.DEEP:
            return Tier.DEEP, CALLED_DEEP
        if tier is Tier.FAST and facts.importance is not Importance.LOW:
            if facts.task_tokens > LONG_CONTEXT_TOKENS:
                return Tier.BALANCED, LONG
            if facts.attachments:
                return Tier.BALANCED, ATTACHED
        return tier, SCORED if quality is None else AT_QUALITY


def is_important(facts: Facts) -> bool:
    """The client demands the deep tier."""
    return facts.importance is Importance.HIGH and facts.task is not Task.CASUAL_CHAT


def build(settings: RouterSettings, ask: Ask) -> LearnedRouter:
    del ask  # this strategy asks no model
    return build_with(settings, settings.learned)


def build_with(settings: RouterSettings, options: LearnedOptions) -> LearnedRouter:
    """Raises ConfigError for an unusable artefact or threshold."""
    scorer = load(options.artefact)
    return LearnedRouter(scorer, thresholds_of(options, scorer.model.percentiles), settings.default_tier)
