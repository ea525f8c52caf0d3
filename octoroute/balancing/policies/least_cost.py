"""Lowest estimated cost of this request first, by configured prices; endpoints without a price come last. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence

from octoroute.balancing.eligibility import estimated_usage
from octoroute.balancing.policies.base import PolicyInputs, Random, StatelessPolicy
from octoroute.balancing.policies.weighted_random import exponential_key
from octoroute.domain.endpoint import Endpoint
from octoroute.domain.request import Facts, Request


class LeastCost(StatelessPolicy):
    """Equal costs are shared by weight."""

    def order(
        self, available: Sequence[Endpoint], request: Request, random: Random, ranks: Sequence[float] | None = None
    ) -> list[Endpoint]:
        facts = request.facts
        return sorted(
            available, key=lambda endpoint: (-endpoint.priority, _cost(endpoint, facts), exponential_key(endpoint, random))
        )


def _cost(endpoint: Endpoint, facts: Facts) -> float:
    return math.inf if endpoint.price is None else estimated_usage(facts).cost_millionths(endpoint.price)


def build(inputs: PolicyInputs) -> LeastCost:  # noqa: ARG001 - a builder's signature
    return LeastCost()
