"""Orders of `selection.order`: provider by provider, and inside each its endpoints in the order of the configuration.

A provider here is a failure domain: a provider's name at one address with one key.
"""

from __future__ import annotations

from collections.abc import Sequence

from octoroute.balancing.policies.base import PolicyInputs, Random, StatelessPolicy, by_id
from octoroute.balancing.policies.round_robin import RoundRobinState
from octoroute.balancing.policies.weighted_random import exponential_key
from octoroute.domain.endpoint import Endpoint, FailureDomain, failure_domain
from octoroute.domain.request import Request


def group_by_provider(available: Sequence[Endpoint]) -> list[list[Endpoint]]:
    """Providers in the order of the configuration, each with its endpoints by position."""
    groups: dict[FailureDomain, list[Endpoint]] = {}
    for endpoint in available:
        groups.setdefault(failure_domain(endpoint), []).append(endpoint)
    for group in groups.values():
        group.sort(key=lambda endpoint: endpoint.position)
    return list(groups.values())


class ProviderPriority(StatelessPolicy):
    """Descending priority. Equal priorities keep the order of the configuration, or are shared by weight if any weight is set."""

    by_provider = True

    def order(
        self, available: Sequence[Endpoint], request: Request, random: Random, ranks: Sequence[float] | None = None
    ) -> list[Endpoint]:
        groups = group_by_provider(available)
        weighted = {_priority(group) for group in groups if any(endpoint.weight != 1.0 for endpoint in group)}
        groups.sort(
            key=lambda group: (-_priority(group), exponential_key(group[0], random) if _priority(group) in weighted else 0.0)
        )
        return [endpoint for group in groups for endpoint in group]


class ProviderRoundRobin(StatelessPolicy):
    """The first provider changes with every request, and the others follow in the same rotation. Each tier has its own rotation."""

    by_provider = True
    learns = True

    def __init__(self) -> None:
        self._rotation = RoundRobinState()

    def order(
        self, available: Sequence[Endpoint], request: Request, random: Random, ranks: Sequence[float] | None = None
    ) -> list[Endpoint]:
        turns = by_id(available, ranks or self.ranks(available, request))
        groups = group_by_provider(available)
        groups.sort(key=lambda group: turns[group[0].id])
        return [endpoint for group in groups for endpoint in group]

    def ranks(self, available: Sequence[Endpoint], request: Request) -> tuple[float, ...]:
        """The numbers of the last turns of their providers."""
        return tuple(self._rotation.last_turn((endpoint.tier, failure_domain(endpoint))) for endpoint in available)

    def on_selected(self, first: Endpoint) -> None:
        self._rotation.on_selected((first.tier, failure_domain(first)))


class ProviderRandom(StatelessPolicy):
    by_provider = True

    def order(
        self, available: Sequence[Endpoint], request: Request, random: Random, ranks: Sequence[float] | None = None
    ) -> list[Endpoint]:
        groups = [(random(), group) for group in group_by_provider(available)]
        groups.sort(key=lambda keyed: keyed[0])
        return [endpoint for _, group in groups for endpoint in group]


def _priority(group: Sequence[Endpoint]) -> int:
    return max(endpoint.priority for endpoint in group)


def build_priority(inputs: PolicyInputs) -> ProviderPriority:  # noqa: ARG001 - a builder's signature
    return ProviderPriority()


def build_round_robin(inputs: PolicyInputs) -> ProviderRoundRobin:  # noqa: ARG001
    return ProviderRoundRobin()


def build_random(inputs: PolicyInputs) -> ProviderRandom:  # noqa: ARG001
    return ProviderRandom()
