"""The interface of routing strategies. A router sees only a request's facts; to ask a model it gets the function `Ask`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol, TypeAlias

import msgspec

from octoroute.domain.decision import Decision
from octoroute.domain.endpoint import Tier
from octoroute.domain.request import Facts
from octoroute.routing.difficulty.thresholds import Options

Ask: TypeAlias = Callable[[str, str, Mapping[str, Any]], Awaitable[str]]
"""(system prompt, user prompt, JSON schema of the answer) → the routing tier's answer as text. Raises OctorouteError.

The gateway provides it: temperature 0, few tokens, thinking off, bounded in size and time, no retry beyond the plan's.
"""


class Router(Protocol):
    async def route(self, facts: Facts) -> Decision:
        """Never raises: a failure leads to the default tier, and `why` names it."""
        ...


class CascadeOptions(msgspec.Struct, frozen=True, kw_only=True):
    """When the cheap tier's answer is delivered, and how long it is buffered until that is known."""

    tier: Tier = Tier.FAST
    """The tier that is asked first."""
    escalate_to: Tier = Tier.DEEP
    """The tier that is asked if the first answer fails the checks."""
    skip_above: float = 0.5
    """Difficulty of the request, 0..1, from which `tier` is skipped."""
    escalate_above: float = 0.5
    """Difficulty of the answer, 0..1, from which `escalate_to` is asked."""
    hold_s: float = 10.0
    """Longest time that a stream is buffered, counted from its first event."""
    hold_characters: int = 20_000
    """Most characters that are buffered."""


class RouterSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What the composition root passes to every router's builder."""

    default_tier: Tier = Tier.BALANCED
    """The tier of requests that the strategy cannot decide."""
    router_tier: Tier = Tier.BALANCED
    """The tier that answers the routing question; `Ask` is bound to it already."""
    tier_descriptions: Mapping[Tier, str] = {}
    """What each tier is good for, in the operator's words; a missing tier gets a general description."""
    learned: Options = Options()
    cascade: CascadeOptions = CascadeOptions()


Builder: TypeAlias = Callable[[RouterSettings, Ask], Router]
