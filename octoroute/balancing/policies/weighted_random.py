"""Random order, by weight or uniform. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence

from octoroute.balancing.policies.base import PolicyInputs, Random, StatelessPolicy
from octoroute.domain.endpoint import Endpoint
from octoroute.domain.request import Request


def exponential_key(endpoint: Endpoint, random: Random) -> float:
    """A draw from Exp(weight): of several endpoints, the i-th has the smallest with probability weight_i / Σ weight.

    Source: Efraimidis and Spirakis, Weighted random sampling with a reservoir, 2006.
    """
    return -math.log(1.0 - random()) / endpoint.weight


class WeightedRandom(StatelessPolicy):
    """A weighted sample without replacement: the first choices follow the weights, and a retry is the next item."""

    def order(
        self, available: Sequence[Endpoint], request: Request, random: Random, ranks: Sequence[float] | None = None
    ) -> list[Endpoint]:
        return weighted_order(available, random)


def weighted_order(available: Sequence[Endpoint], random: Random) -> list[Endpoint]:
    if len(available) < 2:
        return list(available)
    return sorted(available, key=lambda endpoint: (-endpoint.priority, exponential_key(endpoint, random)))


class UniformRandom(StatelessPolicy):
    """All endpoints of a priority are equally likely, whatever their weights."""

    def order(
        self, available: Sequence[Endpoint], request: Request, random: Random, ranks: Sequence[float] | None = None
    ) -> list[Endpoint]:
        return sorted(available, key=lambda endpoint: (-endpoint.priority, random()))


def build(inputs: PolicyInputs) -> WeightedRandom:  # noqa: ARG001 - a builder's signature
    return WeightedRandom()


def build_random(inputs: PolicyInputs) -> UniformRandom:  # noqa: ARG001
    return UniformRandom()
