"""Whoever costs least for this request, by configured prices and estimated tokens; no price comes last. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence

from octoroute.balancing.eligibility import cost_usd
from octoroute.balancing.policies.base import Asked, Plain, Random, Senses
from octoroute.balancing.policies.weighted_random import race
from octoroute.domain.endpoint import Endpoint
from octoroute.domain.request import Facts


class Cheapest(Plain):
    def order(self, available: Sequence[Endpoint], asked: Asked, random: Random) -> list[Endpoint]:
        facts = asked.request.facts
        return sorted(available, key=lambda endpoint: (-endpoint.priority, _cost(endpoint, facts), race(endpoint, random)))


def _cost(endpoint: Endpoint, facts: Facts) -> float:
    cost = cost_usd(endpoint, facts)
    return math.inf if cost is None else cost


def build(senses: Senses) -> Cheapest:  # noqa: ARG001 - a builder's signature
    return Cheapest()
