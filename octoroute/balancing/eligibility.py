"""Who could answer a request at all, and what it would probably cost. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from octoroute.domain.endpoint import Endpoint, Tier
from octoroute.domain.outcome import Usage
from octoroute.domain.request import Facts

FALLBACK_TIERS: Mapping[Tier, tuple[Tier, ...]] = {
    Tier.FAST: (Tier.FAST, Tier.BALANCED, Tier.DEEP),
    Tier.BALANCED: (Tier.BALANCED, Tier.DEEP, Tier.FAST),
    Tier.DEEP: (Tier.DEEP, Tier.BALANCED, Tier.FAST),
    Tier.EMBEDDING: (Tier.EMBEDDING,),
}
"""A tier that cannot answer falls to the next bigger one, then to the next smaller."""

ASSUMED_OUTPUT_TOKENS = 500
"""Of an answer whose length the client did not limit."""


OVER_COST = "would cost about"


def ineligible_reason(
    endpoint: Endpoint, facts: Facts, max_cost_usd: float | None = None, *, sized: Facts | None = None
) -> str | None:
    """Why this endpoint can never answer such a request, or None. Without a price there is no cost to hold against it.

    `sized`: the facts as far as they must fit its window; None: as they are.
    """
    if not facts.needs <= endpoint.capabilities:
        missing = ", ".join(sorted(facts.needs - endpoint.capabilities))
        return f"has no {missing}"
    if not fits_window(endpoint, sized or facts):
        return f"{window_tokens(sized or facts)} tokens do not fit {endpoint.context_window}"
    if max_cost_usd is not None:
        cost = cost_usd(endpoint, facts)
        if cost is not None and cost > max_cost_usd:
            return f"{OVER_COST} ${cost:.6g}, more than ${max_cost_usd:.6g}"
    return None


def fits_window(endpoint: Endpoint, facts: Facts) -> bool:
    window = endpoint.context_window
    return window is None or window_tokens(facts) <= window


def window_tokens(facts: Facts) -> int:
    """What must fit a window, question and answer."""
    return facts.context_tokens + (facts.output_tokens or 0)


def token_budget(facts: Facts) -> int:
    """What a request will probably use, question and answer."""
    return facts.context_tokens + (facts.output_tokens or ASSUMED_OUTPUT_TOKENS)


def cost_usd(endpoint: Endpoint, facts: Facts) -> float | None:
    """What it would probably cost; None: the endpoint has no price."""
    if endpoint.price is None:
        return None
    output_tokens = facts.output_tokens or ASSUMED_OUTPUT_TOKENS
    return Usage(input_tokens=facts.context_tokens, output_tokens=output_tokens).cost(endpoint.price)
