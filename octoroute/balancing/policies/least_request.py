"""Fewest requests in flight for its weight first; equals are shared at random by weight."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from octoroute.balancing.policies.base import PolicyInputs, Random, StatelessPolicy
from octoroute.balancing.policies.weighted_random import exponential_key
from octoroute.domain.endpoint import Endpoint
from octoroute.domain.request import Request


class LeastRequest(StatelessPolicy):
    def __init__(self, in_flight: Callable[[Endpoint], int]) -> None:
        self._in_flight = in_flight

    def order(self, available: Sequence[Endpoint], request: Request, random: Random) -> list[Endpoint]:  # noqa: ARG002
        return sorted(
            available,
            key=lambda endpoint: (
                -endpoint.priority,
                self._in_flight(endpoint) / endpoint.weight,
                exponential_key(endpoint, random),
            ),
        )


def build(inputs: PolicyInputs) -> LeastRequest:
    return LeastRequest(inputs.in_flight)
