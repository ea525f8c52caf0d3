"""Decides by how hard the work looks: what the client insists on first, then a learned score. Pure; asks nobody."""

from __future__ import annotations

from octoroute.learned.conversation import subject
from octoroute.learned.model import Score, Scorer, load
from octoroute.learned.tiers import Options, Thresholds, at_quality, thresholds_of
from octoroute.routers.base import Ask, Setting
from octoroute.types import Decision, Facts, Importance, Task, Tier

__all__ = ["IMPORTANT", "NOTHING_TO_JUDGE", "LearnedRouter", "Options", "build", "build_with"]

IMPORTANT = "high importance"
NOTHING_TO_JUDGE = "no text to judge"
LONG_CONTEXT = 30_000
"""Tokens from which the cheapest models lose the thread."""


class LearnedRouter:
    """One decision costs about a tenth of a millisecond; the same facts give the same decision."""

    __slots__ = ("_default_tier", "_thresholds", "scorer")

    def __init__(self, scorer: Scorer, thresholds: Thresholds, default_tier: Tier = Tier.BALANCED) -> None:
        self.scorer = scorer
        self._thresholds = thresholds
        self._default_tier = default_tier

    async def route(self, facts: Facts) -> Decision:
        return self.decide(facts, facts.quality)

    def decide(self, facts: Facts, quality: float | None = None) -> Decision:
        """`quality`: 0..1, moves the thresholds for this request alone; None: as configured."""
        if facts.importance is Importance.HIGH and facts.task is not Task.CASUAL_CHAT:
            return Decision(tier=Tier.DEEP, by="rule", why=IMPORTANT)
        text = subject(facts.text, facts.earlier)
        if not text:
            return Decision(tier=self._default_tier, by="default", why=NOTHING_TO_JUDGE)
        score = self.scorer.explain(text)
        tier, limits = self._tier(score.difficulty, facts, quality)
        return Decision(tier=tier, by="learned", why=_why(score, limits), confidence=round(score.difficulty, 4))

    def difficulty(self, facts: Facts) -> float:
        """The chance that the cheap model's answer would not do."""
        return self.scorer.difficulty(subject(facts.text, facts.earlier))

    def _tier(self, difficulty: float, facts: Facts, quality: float | None) -> tuple[Tier, tuple[str, ...]]:
        """The tier, and which hard constraints changed it."""
        thresholds = self._thresholds
        if quality is not None:
            thresholds = at_quality(quality, thresholds, self.scorer.model.percentiles)
        tier = thresholds.tier(difficulty)
        if facts.task is Task.DEEP_ANALYSIS and tier is not Tier.DEEP:
            return Tier.DEEP, ("the client calls it deep analysis",)
        if tier is Tier.FAST and facts.importance is not Importance.LOW:
            if facts.tokens > LONG_CONTEXT:
                return Tier.BALANCED, ("long context",)
            if facts.attachments:
                return Tier.BALANCED, ("attachments",)
        return tier, ()


def _why(score: Score, limits: tuple[str, ...]) -> str:
    """Names of features, never words of the prompt."""
    reasons = ", ".join(f"{reason.name} {reason.weight:+.2f}" for reason in score.reasons[:4])
    return f"difficulty {score.difficulty:.2f}" + (f" ({reasons})" if reasons else "") + "".join(f"; {limit}" for limit in limits)


def build(setting: Setting, ask: Ask) -> LearnedRouter:
    """With the shipped artefact and default shares."""
    del ask  # it asks nobody
    return build_with(setting, Options())


def build_with(setting: Setting, options: Options) -> LearnedRouter:
    """Raises ConfigError."""
    scorer = load(options.artefact)
    return LearnedRouter(scorer, thresholds_of(options, scorer.model.percentiles), setting.default_tier)
