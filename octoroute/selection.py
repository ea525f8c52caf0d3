"""Who is asked, in which order. Pure: health is asked through a function, chance through an injected source.

`plan` is a permutation of the available endpoints, sorted by priority; inside one priority it is a weighted sample without
replacement, so a retry is simply the next item and shares follow weights.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeAlias

from octoroute.types import Endpoint, Facts, Tier

Random: TypeAlias = Callable[[], float]
"""Uniform in [0, 1)."""

FALLS_TO: Mapping[Tier, tuple[Tier, ...]] = {
    Tier.FAST: (Tier.FAST, Tier.BALANCED, Tier.DEEP),
    Tier.BALANCED: (Tier.BALANCED, Tier.DEEP, Tier.FAST),
    Tier.DEEP: (Tier.DEEP, Tier.BALANCED, Tier.FAST),
    Tier.EMBEDDING: (Tier.EMBEDDING,),
}
"""A tier that cannot answer falls to the next bigger one, then to the next smaller."""


def weighted(available: Sequence[Endpoint], random: Random) -> list[Endpoint]:
    """By priority, then by an exponential race: the smallest of Exp(weight) is the i-th with probability weight_i / Σ weight.

    Source: Efraimidis and Spirakis, Weighted random sampling with a reservoir, 2006.
    """
    if len(available) < 2:
        return list(available)
    return sorted(available, key=lambda endpoint: (-endpoint.priority, -math.log(1.0 - random()) / endpoint.weight))


POLICIES: Mapping[str, Callable[[Sequence[Endpoint], Random], list[Endpoint]]] = {"weighted": weighted}
"""How endpoints of one priority take turns, by the name `selection.policy` knows."""


def plan(
    endpoints: Iterable[Endpoint],
    available: Callable[[Endpoint], bool],
    random: Random,
    policy: Callable[[Sequence[Endpoint], Random], list[Endpoint]] = weighted,
) -> list[Endpoint]:
    """The endpoints that may be asked now, best first."""
    return policy([endpoint for endpoint in endpoints if available(endpoint)], random)


def unfit(endpoint: Endpoint, facts: Facts) -> str | None:
    """Why this endpoint can never answer such a request, or None."""
    if not facts.needs <= endpoint.capabilities:
        missing = ", ".join(sorted(facts.needs - endpoint.capabilities))
        return f"has no {missing}"
    if not fits(endpoint, facts):
        return f"{facts.context_tokens + (facts.output_tokens or 0)} tokens do not fit {endpoint.context_window}"
    return None


def fits(endpoint: Endpoint, facts: Facts) -> bool:
    window = endpoint.context_window
    return window is None or facts.context_tokens + (facts.output_tokens or 0) <= window
