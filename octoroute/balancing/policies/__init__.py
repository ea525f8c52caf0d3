"""Who is request, in which order: a permutation of those who may be asked now. A new policy is a file and a line here."""

from __future__ import annotations

from collections.abc import Mapping

from octoroute.balancing.eligibility import FALLS_TO, cost_usd, fits_window, ineligible_reason, token_budget, window_tokens
from octoroute.balancing.policies import consistent_hash, least_cost, least_latency, least_request, provider_order, round_robin
from octoroute.balancing.policies import weighted_random as by_weight
from octoroute.balancing.policies.base import Builder, Policy, PolicyInputs, Random
from octoroute.balancing.policies.weighted_random import WeightedRandom, weighted_order

__all__ = [
    "FALLS_TO",
    "ORDERS",
    "POLICIES",
    "Builder",
    "Policy",
    "PolicyInputs",
    "Random",
    "WeightedRandom",
    "cost_usd",
    "fits_window",
    "ineligible_reason",
    "token_budget",
    "weighted_order",
    "window_tokens",
]

POLICIES: Mapping[str, Builder] = {
    "weighted": by_weight.build,
    "round_robin": round_robin.build,
    "random": by_weight.build_random,
    "least_busy": least_request.build,
    "fastest": least_latency.build,
    "cheapest": least_cost.build,
    "sticky": consistent_hash.build,
}
"""How endpoints of one priority take turns, by the name `selection.policy` knows."""

ORDERS: Mapping[str, Builder] = {
    "priority": provider_order.build_priority,
    "round_robin": provider_order.build_round_robin,
    "random": provider_order.build_random,
}
"""How providers follow one another, by the name `selection.order` knows; its "endpoint" leaves the word to the policy."""
