"""Whether an endpoint can ever answer a request, and what the answer would probably cost. Pure: knows nothing of health."""

from __future__ import annotations

from collections.abc import Mapping

from octoroute.domain.endpoint import CHAT_TIERS, Endpoint, Tier
from octoroute.domain.outcome import Usage
from octoroute.domain.price import to_micros, to_usd
from octoroute.domain.request import Facts

FALLBACK_TIERS: Mapping[Tier, tuple[Tier, ...]] = {
    Tier.FAST: (Tier.FAST, Tier.BALANCED, Tier.DEEP),
    Tier.BALANCED: (Tier.BALANCED, Tier.DEEP, Tier.FAST),
    Tier.DEEP: (Tier.DEEP, Tier.BALANCED, Tier.FAST),
    **{tier: (tier,) for tier in Tier if tier not in CHAT_TIERS},
}
"""The order in which tiers are considered for a request of a tier: itself, the bigger ones, then the smaller ones."""

ASSUMED_OUTPUT_TOKENS = 500
"""Assumed length of an answer that the client does not limit."""

OVER_COST = "would cost about"
"""Beginning of the reason for an estimate above `max_cost_usd`."""


def ineligible_reason(
    endpoint: Endpoint, facts: Facts, max_cost_usd: float | None = None, *, sized: Facts | None = None
) -> str | None:
    """Why this endpoint can never answer such a request, as a predicate ("does not support vision"); None: it can.

    `max_cost_usd`: None: no limit; an endpoint without a price is within any limit. `sized`: the facts whose tokens must fit
    the context window; None: `facts`.
    """
    if not facts.needs <= endpoint.capabilities:
        missing = ", ".join(sorted(facts.needs - endpoint.capabilities))
        return f"does not support {missing}"
    if not fits_window(endpoint, sized or facts):
        return f"has a context window of {endpoint.context_window} tokens, and the request needs {window_tokens(sized or facts)}"
    if max_cost_usd is not None:
        cost = cost_micros(endpoint, facts)
        if cost is not None and cost > to_micros(max_cost_usd):
            return f"{OVER_COST} ${to_usd(cost):.6g}, more than the limit of ${max_cost_usd:.6g}"
    return None


def fits_window(endpoint: Endpoint, facts: Facts) -> bool:
    """An endpoint without a configured context window fits every request."""
    window = endpoint.context_window
    return window is None or window_tokens(facts) <= window


def window_tokens(facts: Facts) -> int:
    """Tokens that must fit the context window: the prompt's, and the answer's if the client limits them."""
    return facts.context_tokens + (facts.output_tokens or 0)


def token_budget(facts: Facts) -> int:
    """Tokens that the request will probably use, prompt and answer; what a rate limit charges in advance."""
    return facts.context_tokens + (facts.output_tokens or ASSUMED_OUTPUT_TOKENS)


def cost_micros(endpoint: Endpoint, facts: Facts) -> int | None:
    """Estimated cost of the request in micro-dollars; None: the endpoint has no price."""
    return None if endpoint.price is None else estimated_usage(facts).cost_micros(endpoint.price)


def estimated_usage(facts: Facts) -> Usage:
    """What the request will probably use."""
    return Usage(input_tokens=facts.context_tokens, output_tokens=facts.output_tokens or ASSUMED_OUTPUT_TOKENS, estimated=True)
