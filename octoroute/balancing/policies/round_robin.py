"""Round robin that stays even when endpoints come and go: first is the endpoint that was first the longest ago.

A counter modulo the number of candidates would skip a candidate whenever another one leaves or returns.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from octoroute.balancing.policies.base import PolicyInputs, Random, StatelessPolicy, by_id
from octoroute.domain.endpoint import Endpoint
from octoroute.domain.request import Request


class RoundRobinState:
    """The number of each name's last turn."""

    def __init__(self) -> None:
        self._count = 0
        self._last: dict[Hashable, int] = {}

    def last_turn(self, name: Hashable) -> int:
        """Smaller is longer ago; 0: never, so that new names come first."""
        return self._last.get(name, 0)

    def on_selected(self, name: Hashable) -> None:
        self._count += 1
        self._last[name] = self._count


class RoundRobin(StatelessPolicy):
    learns = True

    def __init__(self) -> None:
        self._rotation = RoundRobinState()

    def order(
        self, available: Sequence[Endpoint], request: Request, random: Random, ranks: Sequence[float] | None = None
    ) -> list[Endpoint]:
        turns = by_id(available, ranks or self.ranks(available, request))
        return sorted(available, key=lambda endpoint: (-endpoint.priority, turns[endpoint.id]))

    def ranks(self, available: Sequence[Endpoint], request: Request) -> tuple[float, ...]:
        """The numbers of the last turns."""
        return tuple(self._rotation.last_turn(endpoint.id) for endpoint in available)

    def on_selected(self, first: Endpoint) -> None:
        self._rotation.on_selected(first.id)


def build(inputs: PolicyInputs) -> RoundRobin:  # noqa: ARG001 - a builder's signature
    return RoundRobin()
