"""What becomes of a router's decision: a conversation keeps its tier, climbs when it is stuck, and a few requests are drawn by lot.

What the client or a rule decides is left alone.
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

_STEERED = frozenset({"learned", "llm"})
_ORDER = CHAT_TIERS
_SESSION_HEADER = "x-claude-code-session-id"


class SessionAffinity:
    """What one configuration makes of decisions; `conversations` is the process's, and outlives it."""

    def __init__(
        self,
        *,
        sticky: StickyOptions,
        explore: float,
        endpoints: Sequence[Endpoint],
        conversations: ConversationMemory,
        random: Callable[[], float],
    ) -> None:
        self._sticky = sticky
        self._explore = explore
        self._tiers = [tier for tier in CHAT_TIERS if any(endpoint.tier is tier for endpoint in endpoints)]
        self._rates: Mapping[Tier, Rates] = rates_of(endpoints)
        self._conversations = conversations
        self._random = random

    def steer(self, request: Request, decision: Decision, *, dry: bool = False) -> Decision:
        """Remembers nothing. `dry`: without drawing lots, for an explanation."""
        if decision.by not in _STEERED:
            return decision
        steered = self._stay(request, decision) if self._sticky.enabled else None
        if steered is None:
            return self._draw(decision, 0.0 if dry else self._explore)
        if decision.by == "learned":
            steered = msgspec.structs.replace(steered, propensity=1.0)
        return steered

    def on_outcome(self, outcome: Outcome, request: Request | None) -> None:
        """How a request ended: what was answered is what the next turn finds in a cache."""
        decision, endpoint = outcome.decision, outcome.endpoint
        if not self._sticky.enabled or request is None or decision is None or endpoint is None or decision.by not in _STEERED:
            return
        if outcome.ending is not Ending.ANSWERED:
            return
        usage = outcome.usage
        prefix = request.facts.context_tokens if usage is None else usage.input_tokens + usage.output_tokens
        output = 0 if usage is None else usage.output_tokens
        sticky = self._sticky
        self._conversations.put(_key(request), endpoint.tier, prefix, output, limit=sticky.max_conversations, ttl_s=sticky.ttl_s)

    def _stay(self, request: Request, decision: Decision) -> Decision | None:
        """None: nothing binds this request to what was before."""
        facts = request.facts
        if facts.messages < 2 or not (facts.tools or any(role == "assistant" for role, _ in facts.earlier)):
            return None
        known = self._conversations.get(_key(request), self._sticky.ttl_s)
        had = known.tier if known is not None and known.tier in self._tiers else None
        if self._stuck(request):
            bigger = self._above(max(decision.tier, had or decision.tier, key=_ORDER.index))
            if bigger is not None:
                return msgspec.structs.replace(decision, tier=bigger, then=None, why=STUCK)
        if known is None or had is None:
            return None
        wanted = decision.tier
        difficulty = 0.5 if decision.confidence is None else decision.confidence
        if had is wanted or switch_pays_off(had, wanted, known, facts.context_tokens, difficulty, self._rates):
            return decision
        return msgspec.structs.replace(decision, tier=had, then=None, why=KEPT)

    def _stuck(self, request: Request) -> bool:
        limit = self._sticky.climb_after_failures
        return repeats_request(request.facts) or (limit > 0 and request.facts.tools and count_recent_failures(request) >= limit)

    def _above(self, tier: Tier) -> Tier | None:
        return next((bigger for bigger in self._tiers if _ORDER.index(bigger) > _ORDER.index(tier)), None)

    def _draw(self, decision: Decision, explore: float) -> Decision:
        """With a known chance for every tier, so that what would have happened elsewhere can be told from what did."""
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


def _key(request: Request) -> bytes:
    """The client's own session if it names one, else how the conversation opens."""
    session = request.headers.get(_SESSION_HEADER)
    if not session:
        user = user_of(request)
        session = user if user is not None and "session" in user else None
    if session:
        return hashlib.blake2b(session.encode("utf-8", "surrogatepass"), digest_size=16).digest()
    return opening_of(request)
