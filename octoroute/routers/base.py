"""Who decides the tier. A router sees facts and nothing else; one that asks a model gets a function to ask with."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol, TypeAlias

from octoroute.types import Decision, Facts, Tier

Ask: TypeAlias = Callable[[str, str, Mapping[str, Any]], Awaitable[str]]
"""(system, question, JSON schema of the answer) → the routing tier's answer as text. Raises OctorouteError.

The gateway gives it: temperature 0, few tokens, thinking off, bounded in size and time, no retry beyond the plan's.
"""


class Router(Protocol):
    async def route(self, facts: Facts) -> Decision:
        """Always decides; what went wrong on the way is in `why`."""
        ...


class Setting(Protocol):
    """What the composition root hands every router's builder."""

    default_tier: Tier
    router_tier: Tier
    tier_descriptions: Mapping[Tier, str]
