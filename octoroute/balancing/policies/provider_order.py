"""Provider by provider, and through the models of each in the order of the file: `selection.order`.

A provider here is a name at one address with one key, because that is what fails as a whole. Each candidate is there once.
"""

from __future__ import annotations

from collections.abc import Sequence

from octoroute.balancing.policies.base import PolicyInputs, Random, StatelessPolicy
from octoroute.balancing.policies.round_robin import RoundRobinState
from octoroute.balancing.policies.weighted_random import exponential_key
from octoroute.domain.endpoint import Endpoint, FailureDomain, failure_domain
from octoroute.domain.request import Request


def group_by_provider(available: Sequence[Endpoint]) -> list[list[Endpoint]]:
    """Providers as the file has them, each with its models in order."""
    groups: dict[FailureDomain, list[Endpoint]] = {}
    for endpoint in available:
        groups.setdefault(failure_domain(endpoint), []).append(endpoint)
    for models in groups.values():
        models.sort(key=lambda endpoint: endpoint.position)
    return list(groups.values())


class ProviderPriority(StatelessPolicy):
    """Equals in file order; by chance and weight where somebody gave them weights."""

    by_provider = True

    def order(self, available: Sequence[Endpoint], request: Request, random: Random) -> list[Endpoint]:  # noqa: ARG002
        groups = group_by_provider(available)
        weighty = {_priority(models) for models in groups if any(endpoint.weight != 1.0 for endpoint in models)}
        groups.sort(
            key=lambda models: (-_priority(models), exponential_key(models[0], random) if _priority(models) in weighty else 0.0)
        )
        return [endpoint for models in groups for endpoint in models]


class ProviderRoundRobin(StatelessPolicy):
    """The next one is first, once a request; the others follow in the same rotation. Each tier has its own."""

    by_provider = True
    learns = True

    def __init__(self) -> None:
        self._turns = RoundRobinState()

    def order(self, available: Sequence[Endpoint], request: Request, random: Random) -> list[Endpoint]:  # noqa: ARG002
        groups = group_by_provider(available)
        groups.sort(key=lambda models: self._turns.waited((models[0].tier, failure_domain(models[0]))))
        return [endpoint for models in groups for endpoint in models]

    def on_selected(self, first: Endpoint) -> None:
        self._turns.on_selected((first.tier, failure_domain(first)))


class ProviderRandom(StatelessPolicy):
    by_provider = True

    def order(self, available: Sequence[Endpoint], request: Request, random: Random) -> list[Endpoint]:  # noqa: ARG002
        groups = [(random(), models) for models in group_by_provider(available)]
        groups.sort(key=lambda group: group[0])
        return [endpoint for _, models in groups for endpoint in models]


def _priority(models: Sequence[Endpoint]) -> int:
    return max(endpoint.priority for endpoint in models)


def build_priority(senses: PolicyInputs) -> ProviderPriority:  # noqa: ARG001 - a builder's signature
    return ProviderPriority()


def build_round_robin(senses: PolicyInputs) -> ProviderRoundRobin:  # noqa: ARG001
    return ProviderRoundRobin()


def build_random(senses: PolicyInputs) -> ProviderRandom:  # noqa: ARG001
    return ProviderRandom()
