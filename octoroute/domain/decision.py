"""The routing decision for one request: a tier, the strategy that chose it, and the reason. Frozen."""

from __future__ import annotations

from typing import Literal

import msgspec

from octoroute.domain.endpoint import Tier
from octoroute.domain.request import Task


class ConversationState(msgspec.Struct):
    """A conversation after its latest answer."""

    tier: Tier
    by: str
    """`Decision.by` of the decision for the tier."""
    prefix_tokens: int
    """Tokens that are probably in that tier's prompt cache."""
    output_tokens: int
    """Of the answer; 0: not counted."""
    answered_at: float
    """The clock's seconds."""


class AffinityInputs(msgspec.Struct, frozen=True, array_like=True):
    """What session affinity knew when it adjusted a decision."""

    conversation: ConversationState | None = None
    """None: it is not remembered."""
    stuck: bool = False
    """The client repeats itself, or tools have failed several times in a row."""
    draws: tuple[float, ...] = ()
    """Random numbers, in the order in which they were drawn."""


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """The tier that answers, the strategy that chose it (`by`), and the reason (`why`)."""

    tier: Tier
    by: Literal["rule", "llm", "learned", "client", "default"]
    why: str
    confidence: float | None = None
    """The learned score, 0 to 1: the probability that the cheap model's answer is not good enough. None: no score."""
    only: frozenset[str] | None = None
    """Ids of endpoints: only these may answer. None: any endpoint of the tier."""
    within: str | None = None
    """The name of a provider: only its endpoints may answer, in any tier. None: any provider."""
    rule: str | None = None
    """The name of the `[[routing.rules]]` entry that matched; None: none did."""
    fixed: bool = False
    """The rule requires this tier: no fallback to another tier while the tier's endpoints are unavailable."""
    policy: str | None = None
    """The load balancing policy for this request; None: `selection.policy`."""
    reject: str | None = None
    """The request is rejected with this message; None: it is not rejected."""
    features: tuple[tuple[str, float], ...] = ()
    """Contributions to the learned score, largest first: (feature name, log-odds; positive means harder). No prompt text."""
    features_hash: str | None = None
    """A digest of the score's features: recognises repeated requests without storing the prompt. None: no score."""
    then: Tier | None = None
    """Cascade: the tier to ask if the response of `tier` fails the checks. None: no cascade."""
    task: Task | None = None
    """The task that the rule table was read for; None: it was not read."""
    passed_over: tuple[str, ...] = ()
    """Names of the rules that matched before, and whose target was not available."""
    routed: Decision | None = None
    """The router's own decision, where affinity, an alias, or a rule has changed it. None: this is it, or no router was asked."""
    affinity: AffinityInputs | None = None
    """None: it knew nothing of the conversation, or was not asked."""
    propensity: float | None = None
    """The probability that such a request is sent to this tier; None: the choice is not random."""
