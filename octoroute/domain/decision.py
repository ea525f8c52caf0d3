"""What routing decided for one request: a tier, the strategy that chose it, and the reason. Frozen."""

from __future__ import annotations

from typing import Literal

import msgspec

from octoroute.domain.endpoint import Tier


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """Which tier answers, who said so, and why. `only`: endpoints were named by id, nothing else will do."""

    tier: Tier
    by: Literal["rule", "llm", "learned", "client", "default"]
    why: str
    confidence: float | None = None
    """Of a learned score: the chance that the cheap model's answer would not do."""
    only: frozenset[str] | None = None
    within: str | None = None
    """Only this provider's endpoints, in whichever tier."""
    rule: str | None = None
    """The name of the `[[routing.rules]]` entry that had a say."""
    fixed: bool = False
    """The rule's own choice: another tier will not do while this one is merely out of order."""
    policy: str | None = None
    """Another policy than `selection.policy`."""
    reject: str | None = None
    """Nobody is to be asked; this is what the client is told."""
    features: tuple[tuple[str, float], ...] = ()
    """What moved a learned score, largest first: names and log-odds, positive is harder. Never a word of the prompt."""
    features_hash: str | None = None
    """Tells repetitions apart without keeping what was asked."""
    then: Tier | None = None
    """A cascade: this tier is asked when the answer of `tier` does not pass the checks."""
    propensity: float | None = None
    """The chance with which such a request gets this tier; None: nobody draws lots about it."""
