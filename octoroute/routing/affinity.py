"""Session affinity: adjusts a router's decision so that a conversation keeps its tier, or climbs when it is stuck.

It also draws a few requests at random for exploration. Decisions of the client and of rules pass unchanged.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence

import msgspec

from octoroute.dialects.request.identity import opening_of, user_of
from octoroute.dialects.request.stuck import count_recent_failures, repeats_request
from octoroute.domain.decision import Decision
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
"""Values of `Decision.by` that may be adjusted."""
_SESSION_HEADER = "x-claude-code-session-id"


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
        if not self._sticky.enabled or request is None or decision is None or endpoint is None or decision.by not in _ADJUSTABLE:
            return
        if outcome.ending is not Ending.ANSWERED:
            return
        usage = outcome.usage
        prefix_tokens = request.facts.context_tokens if usage is None else usage.input_tokens + usage.output_tokens
        output_tokens = 0 if usage is None else usage.output_tokens
        self._conversations.put(
            _conversation_key(request),
            endpoint.tier,
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
        conversation = self._conversations.get(_conversation_key(request), self._sticky.ttl_s)
        current = conversation.tier if conversation is not None and conversation.tier in self._tiers else None
        if self._is_stuck(request):
            bigger = self._bigger_tier(max(decision.tier, current or decision.tier, key=CHAT_TIERS.index))
            if bigger is not None:
                return msgspec.structs.replace(decision, tier=bigger, then=None, why=STUCK)
        if conversation is None or current is None:
            return None
        wanted = decision.tier
        difficulty = 0.5 if decision.confidence is None else decision.confidence
        if current is wanted or switch_pays_off(current, wanted, conversation, facts.context_tokens, difficulty, self._rates):
            return decision
        return msgspec.structs.replace(decision, tier=current, then=None, why=KEPT)

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


def _conversation_key(request: Request) -> bytes:
    """A digest of the client's session if the request names one, else of the conversation's opening."""
    session = request.headers.get(_SESSION_HEADER)
    if not session:
        user = user_of(request)
        session = user if user is not None and "session" in user else None
    if session:
        return hashlib.blake2b(session.encode("utf-8", "surrogatepass"), digest_size=16).digest()
    return opening_of(request)
