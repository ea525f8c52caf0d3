"""Provider by provider, and through the models of each in the order of the file: `selection.order`.

A provider here is a name at one address with one key, because that is what fails as a whole. Each candidate is there once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from octoroute.selection.base import Asked, Plain, Random, Senses
from octoroute.selection.turns import Turns
from octoroute.selection.weighted import race
from octoroute.types import Endpoint, Secret


class Whole(NamedTuple):
    """What fails together."""

    provider: str
    base_url: str
    api_key: Secret | None


def whole(endpoint: Endpoint) -> Whole:
    return Whole(endpoint.provider, endpoint.base_url, endpoint.api_key)


def grouped(available: Sequence[Endpoint]) -> list[list[Endpoint]]:
    """Providers as the file has them, each with its models in order."""
    groups: dict[Whole, list[Endpoint]] = {}
    for endpoint in available:
        groups.setdefault(whole(endpoint), []).append(endpoint)
    for models in groups.values():
        models.sort(key=lambda endpoint: endpoint.position)
    return list(groups.values())


class ByPriority(Plain):
    """Equals in file order; by chance and weight where somebody gave them weights."""

    by_provider = True

    def order(self, available: Sequence[Endpoint], asked: Asked, random: Random) -> list[Endpoint]:  # noqa: ARG002
        groups = grouped(available)
        weighty = {_priority(models) for models in groups if any(endpoint.weight != 1.0 for endpoint in models)}
        groups.sort(key=lambda models: (-_priority(models), race(models[0], random) if _priority(models) in weighty else 0.0))
        return [endpoint for models in groups for endpoint in models]


class InTurn(Plain):
    """The next one is first, once a request; the others follow in the same rotation. Each tier has its own."""

    by_provider = True
    learns = True

    def __init__(self) -> None:
        self._turns = Turns()

    def order(self, available: Sequence[Endpoint], asked: Asked, random: Random) -> list[Endpoint]:  # noqa: ARG002
        groups = grouped(available)
        groups.sort(key=lambda models: self._turns.waited((models[0].tier, whole(models[0]))))
        return [endpoint for models in groups for endpoint in models]

    def took(self, first: Endpoint) -> None:
        self._turns.took((first.tier, whole(first)))


class AtRandom(Plain):
    by_provider = True

    def order(self, available: Sequence[Endpoint], asked: Asked, random: Random) -> list[Endpoint]:  # noqa: ARG002
        groups = [(random(), models) for models in grouped(available)]
        groups.sort(key=lambda group: group[0])
        return [endpoint for _, models in groups for endpoint in models]


def _priority(models: Sequence[Endpoint]) -> int:
    return max(endpoint.priority for endpoint in models)


def build_priority(senses: Senses) -> ByPriority:  # noqa: ARG001 - a builder's signature
    return ByPriority()


def build_round_robin(senses: Senses) -> InTurn:  # noqa: ARG001
    return InTurn()


def build_random(senses: Senses) -> AtRandom:  # noqa: ARG001
    return AtRandom()
