"""Load balancing policies by their configuration names. A new policy is a file and a line here; contract tests then cover it."""

from __future__ import annotations

from collections.abc import Mapping

from octoroute.balancing.policies import (
    consistent_hash,
    least_cost,
    least_latency,
    least_request,
    provider_order,
    round_robin,
    weighted_random,
)
from octoroute.balancing.policies.base import Builder, Policy, PolicyInputs, Random
from octoroute.balancing.policies.weighted_random import WeightedRandom, weighted_order

__all__ = ["ORDERS", "POLICIES", "Builder", "Policy", "PolicyInputs", "Random", "WeightedRandom", "weighted_order"]

POLICIES: Mapping[str, Builder] = {
    "weighted": weighted_random.build,
    "round_robin": round_robin.build,
    "random": weighted_random.build_random,
    "least_busy": least_request.build,
    "fastest": least_latency.build,
    "cheapest": least_cost.build,
    "sticky": consistent_hash.build,
}
"""Values of `selection.policy`: the order of endpoints that have the same priority."""

ORDERS: Mapping[str, Builder] = {
    "priority": provider_order.build_priority,
    "round_robin": provider_order.build_round_robin,
    "random": provider_order.build_random,
}
"""Values of `selection.order`: the order of providers. Its remaining value, "endpoint", leaves all of it to `selection.policy`."""
