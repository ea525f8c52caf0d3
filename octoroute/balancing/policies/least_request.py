"""Whoever has the fewest requests in flight for its weight; among equals, chance by weight."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from octoroute.balancing.policies.base import Asked, Plain, Random, Senses
from octoroute.balancing.policies.weighted_random import race
from octoroute.domain.endpoint import Endpoint


class LeastBusy(Plain):
    def __init__(self, in_flight: Callable[[Endpoint], int]) -> None:
        self._in_flight = in_flight

    def order(self, available: Sequence[Endpoint], asked: Asked, random: Random) -> list[Endpoint]:  # noqa: ARG002
        return sorted(
            available,
            key=lambda endpoint: (-endpoint.priority, self._in_flight(endpoint) / endpoint.weight, race(endpoint, random)),
        )


def build(senses: Senses) -> LeastBusy:
    return LeastBusy(senses.in_flight)
