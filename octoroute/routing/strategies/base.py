"""Who decides the tier. A router sees facts and nothing else; one that asks a model gets a function to ask with."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any, Protocol, TypeAlias

import msgspec

from octoroute.domain.decision import Decision
from octoroute.domain.endpoint import Tier
from octoroute.domain.option import Key, Table
from octoroute.domain.request import Facts
from octoroute.routing.difficulty.thresholds import LearnedOptions

Ask: TypeAlias = Callable[[str, str, Mapping[str, Any]], Awaitable[str]]
"""(system, question, JSON schema of the answer) → the routing tier's answer as text. Raises OctorouteError.

The gateway gives it: temperature 0, few tokens, thinking off, bounded in size and time, no retry beyond the plan's.
"""


class Router(Protocol):
    async def route(self, facts: Facts) -> Decision:
        """Always decides; what went wrong on the way is in `why`."""
        ...


class CascadeOptions(Table, frozen=True, kw_only=True):
    """For the strategy cascade: a cheap answer is checked before it is passed on, and a bigger tier asked when it will not do."""

    tier: Annotated[Tier, Key("asked first")] = Tier.FAST
    escalate_to: Annotated[Tier, Key("asked when the first answer does not pass; must be a bigger tier")] = Tier.DEEP
    skip_above: Annotated[float, Key("the question's difficulty from which the first try is left out", low=0, high=1)] = 0.5
    escalate_above: Annotated[float, Key("the answer's difficulty from which the bigger tier is asked", low=0, high=1)] = 0.5
    hold_s: Annotated[float, Key("how long a streamed answer is held back to be checked", low=0, high=600)] = msgspec.field(
        default=10.0, name="hold_seconds"
    )
    hold_characters: Annotated[int, Key("how much of a streamed answer is held back to be checked", low=0, high=1000000)] = 20000


class RouterSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What the composition root hands every router's builder."""

    default_tier: Tier = Tier.BALANCED
    """Where requests go that nobody can decide."""
    router_tier: Tier = Tier.BALANCED
    """Which tier answers the routing question; `Ask` already asks it."""
    tier_descriptions: Mapping[Tier, str] = {}
    """What each tier is good for, in the operator's words; a tier left out gets a general description."""
    learned: LearnedOptions = LearnedOptions()
    cascade: CascadeOptions = CascadeOptions()


Builder: TypeAlias = Callable[[RouterSettings, Ask], Router]
