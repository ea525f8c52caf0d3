"""Fewest requests in flight for its weight first; equals are shared at random by weight."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from octoroute.balancing.policies.base import PolicyInputs, Random, StatelessPolicy, by_id
from octoroute.balancing.policies.weighted_random import exponential_key
from octoroute.domain.endpoint import Endpoint
from octoroute.domain.request import Request


class LeastRequest(StatelessPolicy):
    def __init__(self, in_flight: Callable[[Endpoint], int]) -> None:
        self._in_flight = in_flight

    def order(
        self, available: Sequence[Endpoint], request: Request, random: Random, ranks: Sequence[float] | None = None
    ) -> list[Endpoint]:
        in_flight = by_id(available, ranks or self.ranks(available, request))
        return sorted(
            available,
            key=lambda endpoint: (
                -endpoint.priority,
                in_flight[endpoint.id] / endpoint.weight,
                exponential_key(endpoint, random),
            ),
        )

    def ranks(self, available: Sequence[Endpoint], request: Request) -> tuple[float, ...]:
        """The numbers of requests in flight."""
        return tuple(self._in_flight(endpoint) for endpoint in available)


def build(inputs: PolicyInputs) -> LeastRequest:
    return LeastRequest(inputs.in_flight)
