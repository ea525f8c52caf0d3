"""Chance by weight, and chance alone. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence

from octoroute.balancing.policies.base import PolicyInputs, Random, StatelessPolicy
from octoroute.domain.endpoint import Endpoint
from octoroute.domain.request import Request


def exponential_key(endpoint: Endpoint, random: Random) -> float:
    """Exp(weight): the smallest of several is the i-th with probability weight_i / Σ weight.

    Source: Efraimidis and Spirakis, Weighted random sampling with a reservoir, 2006.
    """
    return -math.log(1.0 - random()) / endpoint.weight


class WeightedRandom(StatelessPolicy):
    """A weighted sample without replacement: a retry is the next item, and shares follow weights."""

    def order(self, available: Sequence[Endpoint], request: Request, random: Random) -> list[Endpoint]:  # noqa: ARG002
        return weighted_order(available, random)


def weighted_order(available: Sequence[Endpoint], random: Random) -> list[Endpoint]:
    if len(available) < 2:
        return list(available)
    return sorted(available, key=lambda endpoint: (-endpoint.priority, exponential_key(endpoint, random)))


class UniformRandom(StatelessPolicy):
    """Everybody alike, whatever the weights."""

    def order(self, available: Sequence[Endpoint], request: Request, random: Random) -> list[Endpoint]:  # noqa: ARG002
        return sorted(available, key=lambda endpoint: (-endpoint.priority, random()))


def build(senses: PolicyInputs) -> WeightedRandom:  # noqa: ARG001 - a builder's signature
    return WeightedRandom()


def build_random(senses: PolicyInputs) -> UniformRandom:  # noqa: ARG001
    return UniformRandom()
