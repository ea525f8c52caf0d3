"""Chance by weight, and chance alone. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence

from octoroute.balancing.policies.base import Asked, Plain, Random, Senses
from octoroute.domain.endpoint import Endpoint


def race(endpoint: Endpoint, random: Random) -> float:
    """Exp(weight): the smallest of several is the i-th with probability weight_i / Σ weight.

    Source: Efraimidis and Spirakis, Weighted random sampling with a reservoir, 2006.
    """
    return -math.log(1.0 - random()) / endpoint.weight


class Weighted(Plain):
    """A weighted sample without replacement: a retry is the next item, and shares follow weights."""

    def order(self, available: Sequence[Endpoint], asked: Asked, random: Random) -> list[Endpoint]:  # noqa: ARG002
        return weighted(available, random)


def weighted(available: Sequence[Endpoint], random: Random) -> list[Endpoint]:
    if len(available) < 2:
        return list(available)
    return sorted(available, key=lambda endpoint: (-endpoint.priority, race(endpoint, random)))


class Shuffled(Plain):
    """Everybody alike, whatever the weights."""

    def order(self, available: Sequence[Endpoint], asked: Asked, random: Random) -> list[Endpoint]:  # noqa: ARG002
        return sorted(available, key=lambda endpoint: (-endpoint.priority, random()))


def build(senses: Senses) -> Weighted:  # noqa: ARG001 - a builder's signature
    return Weighted()


def build_random(senses: Senses) -> Shuffled:  # noqa: ARG001
    return Shuffled()
