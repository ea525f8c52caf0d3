"""Who decides the tier. A router sees facts and nothing else; one that asks a model gets a function to ask with."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol, TypeAlias

import msgspec

from octoroute.domain.decision import Decision
from octoroute.domain.endpoint import Tier
from octoroute.domain.request import Facts
from octoroute.routing.difficulty.thresholds import Options

Ask: TypeAlias = Callable[[str, str, Mapping[str, Any]], Awaitable[str]]
"""(system, question, JSON schema of the answer) → the routing tier's answer as text. Raises OctorouteError.

The gateway gives it: temperature 0, few tokens, thinking off, bounded in size and time, no retry beyond the plan's.
"""


class Router(Protocol):
    async def route(self, facts: Facts) -> Decision:
        """Always decides; what went wrong on the way is in `why`."""
        ...


class CascadeOptions(msgspec.Struct, frozen=True, kw_only=True):
    """When a cheap answer will do, and how long it may be held back to find out."""

    tier: Tier = Tier.FAST
    """Asked first."""
    escalate_to: Tier = Tier.DEEP
    skip_above: float = 0.5
    """The question's difficulty from which the cheap try is left out."""
    escalate_above: float = 0.5
    """The answer's difficulty from which the bigger tier is asked."""
    hold_s: float = 10.0
    """From the first event of a streamed answer."""
    hold_characters: int = 20_000


class RouterSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What the composition root hands every router's builder."""

    default_tier: Tier = Tier.BALANCED
    """Where requests go that nobody can decide."""
    router_tier: Tier = Tier.BALANCED
    """Which tier answers the routing question; `Ask` already asks it."""
    tier_descriptions: Mapping[Tier, str] = {}
    """What each tier is good for, in the operator's words; a tier left out gets a general description."""
    learned: Options = Options()
    cascade: CascadeOptions = CascadeOptions()


Builder: TypeAlias = Callable[[RouterSettings, Ask], Router]
