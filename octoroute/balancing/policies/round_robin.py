"""Turns that are really taken: first is whoever was first the longest ago.

A counter modulo the number of candidates would skip somebody whenever one of them drops out or comes back; who remembers when each
was last first cannot.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from octoroute.balancing.policies.base import PolicyInputs, Random, StatelessPolicy
from octoroute.domain.endpoint import Endpoint
from octoroute.domain.request import Request


class RoundRobinState:
    """Unknown names come before known ones."""

    def __init__(self) -> None:
        self._count = 0
        self._last: dict[Hashable, int] = {}

    def waited(self, name: Hashable) -> int:
        """Smaller: longer ago."""
        return self._last.get(name, 0)

    def on_selected(self, name: Hashable) -> None:
        self._count += 1
        self._last[name] = self._count


class RoundRobin(StatelessPolicy):
    learns = True

    def __init__(self) -> None:
        self._turns = RoundRobinState()

    def order(self, available: Sequence[Endpoint], request: Request, random: Random) -> list[Endpoint]:  # noqa: ARG002
        return sorted(available, key=lambda endpoint: (-endpoint.priority, self._turns.waited(endpoint.id)))

    def on_selected(self, first: Endpoint) -> None:
        self._turns.on_selected(first.id)


def build(senses: PolicyInputs) -> RoundRobin:  # noqa: ARG001 - a builder's signature
    return RoundRobin()
