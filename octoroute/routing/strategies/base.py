"""The interface of routing strategies. A router sees only a request's facts; to ask a model it gets the function `Ask`."""

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
"""(system prompt, user prompt, JSON schema of the answer) → the routing tier's answer as text. Raises OctorouteError.

The gateway provides it: temperature 0, few tokens, thinking off, bounded in size and time, no retry beyond the plan's.
"""


class Router(Protocol):
    async def route(self, facts: Facts) -> Decision:
        """Never raises: a failure leads to the default tier, and `why` names it."""
        ...


class CascadeOptions(Table, frozen=True, kw_only=True):
    """For the strategy cascade: a cheap response is checked before the client gets it; if it fails, a bigger tier is tried."""

    tier: Annotated[Tier, Key("tier that is tried first")] = Tier.FAST
    escalate_to: Annotated[Tier, Key("tier that is tried if the first response fails the check; must be a bigger tier")] = Tier.DEEP
    skip_above: Annotated[float, Key("difficulty of the request at which the first tier is skipped", low=0, high=1)] = 0.5
    escalate_above: Annotated[
        float, Key("difficulty estimated from the response at which the bigger tier is tried", low=0, high=1)
    ] = 0.5
    hold_s: Annotated[
        float, Key("how long a streaming response is buffered to be checked, from its first event", low=0, high=600)
    ] = msgspec.field(default=10.0, name="hold_seconds")
    hold_characters: Annotated[
        int, Key("how many characters of a streaming response are buffered to be checked", low=0, high=1000000)
    ] = 20000


class RouterSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What the composition root passes to every router's builder."""

    default_tier: Tier = Tier.BALANCED
    """The tier of requests that the strategy cannot decide."""
    router_tier: Tier = Tier.BALANCED
    """The tier that answers the routing question; `Ask` is bound to it already."""
    tier_descriptions: Mapping[Tier, str] = {}
    """What each tier is good for, in the operator's words; a tier left out gets a general description."""
    learned: LearnedOptions = LearnedOptions()
    cascade: CascadeOptions = CascadeOptions()


Builder: TypeAlias = Callable[[RouterSettings, Ask], Router]
