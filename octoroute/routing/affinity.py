"""Session affinity: adjusts a router's decision so that a conversation keeps its tier, or climbs when it is stuck.

A turn of a tool loop keeps it always: another model would have to read the whole conversation to use one tool's result. Affinity
also draws a few requests at random for exploration. Decisions of the client and of rules pass unchanged.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import msgspec

from octoroute.dialects.request.identity import conversation_of
from octoroute.dialects.request.stuck import count_recent_failures, repeats_request
from octoroute.domain.decision import Decision
from octoroute.domain.endpoint import CHAT_TIERS, Endpoint, Tier
from octoroute.domain.outcome import Ending, Outcome
from octoroute.domain.request import Request
from octoroute.routing.cache_economics import ConversationMemory, ConversationState, Rates, StickyOptions, rates_of, switch_pays_off
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
        if adjusted is None:
            return self._explore_tier(decision, 0.0 if dry else self._explore)
        if decision.by == "learned":
            adjusted = msgspec.structs.replace(adjusted, propensity=1.0)
        return adjusted

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
        climbed = self._climb(request, msgspec.structs.replace(decision, tier=max(decision.tier, current, key=CHAT_TIERS.index)))
        if climbed is not None:
            return climbed
        if conversation is None:
            return None
        wanted = decision.tier
        difficulty = 0.5 if decision.confidence is None else decision.confidence
        if current is wanted or switch_pays_off(current, wanted, conversation, facts.context_tokens, difficulty, self._rates):
            return decision
        return msgspec.structs.replace(decision, tier=current, then=None, why=KEPT)

    def _continue_loop(self, request: Request, decision: Decision) -> Decision:
        """The conversation's tier, whatever the strategy; a bigger one if it is stuck. `decision` if it is not remembered."""
        conversation = self._conversation(request)
        if conversation is not None:
            by = conversation.by if decision.by == "default" else decision.by
            decision = msgspec.structs.replace(decision, tier=conversation.tier, by=by, then=None, why=KEPT)
        climbed = self._climb(request, decision) if self._sticky.enabled and decision.by in _ADJUSTABLE else None
        decision = climbed or decision
        return msgspec.structs.replace(decision, propensity=1.0) if decision.by == "learned" else decision

    def _conversation(self, request: Request) -> ConversationState | None:
        """None: not remembered, or its tier has no endpoint any more."""
        conversation = self._conversations.get(conversation_of(request), self._sticky.ttl_s)
        return conversation if conversation is not None and conversation.tier in self._tiers else None

    def _climb(self, request: Request, decision: Decision) -> Decision | None:
        """The next bigger tier; None: the conversation is not stuck, or there is no bigger tier."""
        bigger = self._bigger_tier(decision.tier) if self._is_stuck(request) else None
        return None if bigger is None else msgspec.structs.replace(decision, tier=bigger, then=None, why=STUCK)

    def _is_stuck(self, request: Request) -> bool:
        limit = self._sticky.climb_after_failures
        return repeats_request(request.facts) or (limit > 0 and request.facts.tools and count_recent_failures(request) >= limit)

    def _bigger_tier(self, tier: Tier) -> Tier | None:
        return next((bigger for bigger in self._tiers if CHAT_TIERS.index(bigger) > CHAT_TIERS.index(tier)), None)

    def _explore_tier(self, decision: Decision, explore: float) -> Decision:
        """Every tier has a known chance, so that `octoroute replay` can estimate what other thresholds would have done."""
        if decision.by != "learned":
            return decision
        if not explore or decision.why != SCORED or decision.tier not in self._tiers:
            return msgspec.structs.replace(decision, propensity=1.0)
        each = explore / len(self._tiers)
        if self._random() >= explore:
            return msgspec.structs.replace(decision, propensity=1.0 - explore + each)
        drawn = self._tiers[min(int(self._random() * len(self._tiers)), len(self._tiers) - 1)]
        if drawn is decision.tier:
            return msgspec.structs.replace(decision, propensity=1.0 - explore + each)
        return msgspec.structs.replace(decision, tier=drawn, propensity=each, why=EXPLORED)
