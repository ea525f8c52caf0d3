"""Session affinity: adjusts a router's decision so that a conversation keeps its tier, or climbs when it is stuck.

A turn of a tool loop keeps it always: another model would have to read the whole conversation to use one tool's result. Affinity
also draws a few requests at random for exploration. Decisions of the client and of rules pass unchanged.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from octoroute.dialects.request.identity import conversation_of
from octoroute.dialects.request.stuck import count_recent_failures, repeats_request
from octoroute.domain.decision import AffinityInputs, ConversationState, Decision
from octoroute.domain.endpoint import CHAT_TIERS, Endpoint, Tier
from octoroute.domain.outcome import Ending, Outcome
from octoroute.domain.request import Request
from octoroute.routing.cache_economics import ConversationMemory, Rates, StickyOptions, rates_of, switch_pays_off
from octoroute.routing.strategies.learned import SCORED

__all__ = ["EXPLORED", "KEPT", "REASONS", "STUCK", "SessionAffinity", "StickyOptions"]

KEPT = "the conversation keeps its tier"
STUCK = "the conversation is stuck: a bigger tier"
EXPLORED = "drawn by lot, to learn from it"
REASONS: Mapping[str, str] = {KEPT: "sticky", STUCK: "stuck", EXPLORED: "explored"}
"""`why` → its word for metric labels."""

_ADJUSTABLE = frozenset({"learned", "llm"})
"""Values of `Decision.by` that may be adjusted in every turn; those of the rule table only inside a tool loop."""
_ROUTED = _ADJUSTABLE | {"rule", "default"}
"""Values of `Decision.by` that a router uses."""


class SessionAffinity:
    """The affinity of one configuration. `conversations` belongs to the process and survives reloads."""

    def __init__(
        self,
        *,
        sticky: StickyOptions,
        explore: float,
        endpoints: Sequence[Endpoint],
        conversations: ConversationMemory,
        random: Callable[[], float],
    ) -> None:
        """`explore`: the share of learned decisions, 0..1, whose tier is drawn at random."""
        self._sticky = sticky
        self._explore = explore
        self._tiers = [tier for tier in CHAT_TIERS if any(endpoint.tier is tier for endpoint in endpoints)]
        """The tiers that have an endpoint, cheapest first."""
        self._rates: Mapping[Tier, Rates] = rates_of(endpoints)
        self._conversations = conversations
        self._random = random

    def adjust(self, request: Request, decision: Decision, *, dry: bool = False) -> Decision:
        """Remembers nothing: only `on_outcome` does. `dry`: without exploration, for an explanation."""
        if request.facts.continues:
            return self._continue_loop(request, decision)
        if decision.by not in _ADJUSTABLE:
            return decision
        adjusted = self._keep_tier(request, decision) if self._sticky.enabled else None
        return adjusted or self._explore_tier(decision, 0.0 if dry else self._explore)

    def on_outcome(self, outcome: Outcome, request: Request | None) -> None:
        """Remembers the tier of a complete answer: its prompt cache holds the conversation when the next turn comes."""
        decision, endpoint = outcome.decision, outcome.endpoint
        if request is None or decision is None or endpoint is None or outcome.ending is not Ending.ANSWERED:
            return
        if not request.facts.tools and (decision.by not in _ADJUSTABLE or not self._sticky.enabled):
            return
        if decision.by not in _ROUTED or decision.fixed:
            return
        usage = outcome.usage
        prefix_tokens = request.facts.context_tokens if usage is None else usage.input_tokens + usage.output_tokens
        output_tokens = 0 if usage is None else usage.output_tokens
        self._conversations.put(
            conversation_of(request),
            endpoint.tier,
            decision.by,
            prefix_tokens,
            output_tokens,
            limit=self._sticky.max_conversations,
            ttl_s=self._sticky.ttl_s,
        )

    def _keep_tier(self, request: Request, decision: Decision) -> Decision | None:
        """None: the request does not continue a conversation that is remembered or stuck."""
        facts = request.facts
        if facts.messages < 2 or not (facts.tools or any(role == "assistant" for role, _ in facts.earlier)):
            return None
        conversation = self._conversation(request)
        current = decision.tier if conversation is None else conversation.tier
        bigger = (
            self._bigger_tier(max(decision.tier, current, key=CHAT_TIERS.index)) if (stuck := self._is_stuck(request)) else None
        )
        if bigger is not None:
            return _adjusted(decision, conversation, stuck, tier=bigger, then=None, why=STUCK)
        if conversation is None:
            return None
        wanted = decision.tier
        difficulty = 0.5 if decision.confidence is None else decision.confidence
        if current is wanted or switch_pays_off(current, wanted, conversation, facts.context_tokens, difficulty, self._rates):
            return _adjusted(decision, conversation, stuck)
        return _adjusted(decision, conversation, stuck, tier=current, then=None, why=KEPT)

    def _continue_loop(self, request: Request, decision: Decision) -> Decision:
        """The conversation's tier, whatever the strategy; a bigger one if it is stuck. `decision` if it is not remembered."""
        conversation = self._conversation(request)
        tier, by, stuck = decision.tier, decision.by, False
        changes: dict[str, Any] = {}
        if conversation is not None:
            tier, by = conversation.tier, conversation.by if decision.by == "default" else decision.by
            changes = {"tier": tier, "by": by, "then": None, "why": KEPT}
        if self._sticky.enabled and by in _ADJUSTABLE and (stuck := self._is_stuck(request)):
            bigger = self._bigger_tier(tier)
            if bigger is not None:
                changes = {"tier": bigger, "by": by, "then": None, "why": STUCK}
        return _adjusted(decision, conversation, stuck, **changes)

    def _conversation(self, request: Request) -> ConversationState | None:
        """None: not remembered, or its tier has no endpoint any more."""
        conversation = self._conversations.get(conversation_of(request), self._sticky.ttl_s)
        return conversation if conversation is not None and conversation.tier in self._tiers else None

    def _is_stuck(self, request: Request) -> bool:
        limit = self._sticky.climb_after_failures
        return repeats_request(request.facts) or (limit > 0 and request.facts.tools and count_recent_failures(request) >= limit)

    def _bigger_tier(self, tier: Tier) -> Tier | None:
        """None: there is none."""
        return next((bigger for bigger in self._tiers if CHAT_TIERS.index(bigger) > CHAT_TIERS.index(tier)), None)

    def _explore_tier(self, decision: Decision, explore: float) -> Decision:
        """Every tier has a known chance, so that `octoroute replay` can estimate what other thresholds would have done."""
        if decision.by != "learned":
            return decision
        if not explore or decision.why != SCORED or decision.tier not in self._tiers:
            return msgspec.structs.replace(decision, propensity=1.0)
        each = explore / len(self._tiers)
        chance = self._random()
        if chance >= explore:
            inputs = AffinityInputs(draws=(chance,))
            return msgspec.structs.replace(decision, propensity=1.0 - explore + each, routed=decision, affinity=inputs)
        lot = self._random()
        drawn = self._tiers[min(int(lot * len(self._tiers)), len(self._tiers) - 1)]
        inputs = AffinityInputs(draws=(chance, lot))
        if drawn is decision.tier:
            return msgspec.structs.replace(decision, propensity=1.0 - explore + each, routed=decision, affinity=inputs)
        return msgspec.structs.replace(decision, tier=drawn, propensity=each, why=EXPLORED, routed=decision, affinity=inputs)


def _adjusted(decision: Decision, conversation: ConversationState | None, stuck: bool, **changes: Any) -> Decision:
    """The router's `decision` with its changes, and with what they depend on."""
    if changes.get("by", decision.by) == "learned":
        changes["propensity"] = 1.0
    if conversation is not None or stuck:
        changes |= {"routed": decision, "affinity": AffinityInputs(conversation, stuck)}
    return msgspec.structs.replace(decision, **changes) if changes else decision
