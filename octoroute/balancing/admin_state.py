"""Providers and endpoints that an operator has disabled. In memory: it outlives a reload, and ends with the process.

A disabled endpoint gets no new request; requests in flight finish.
"""

from __future__ import annotations

from collections.abc import Iterable

from octoroute.balancing.health import HealthRegistry
from octoroute.domain.endpoint import Endpoint


class AdminState:
    """`endpoints` are always all configured ones; the state reaches the health registry through them."""

    def __init__(self, health: HealthRegistry) -> None:
        self._health = health
        self._disabled_providers: set[str] = set()
        self._disabled_endpoints: set[str] = set()

    def provider_enabled(self, name: str) -> bool:
        return name not in self._disabled_providers

    def endpoint_enabled(self, endpoint: Endpoint) -> bool:
        """Whether both the endpoint and its provider are enabled."""
        return not (endpoint.id in self._disabled_endpoints or endpoint.provider in self._disabled_providers)

    def set_provider(self, name: str, endpoints: Iterable[Endpoint], *, on: bool) -> None:
        _set_enabled(self._disabled_providers, name, on=on)
        self.apply(endpoints)

    def set_endpoint(self, endpoint_id: str, endpoints: Iterable[Endpoint], *, on: bool) -> None:
        _set_enabled(self._disabled_endpoints, endpoint_id, on=on)
        self.apply(endpoints)

    def apply(self, endpoints: Iterable[Endpoint]) -> None:
        """Needed after a reload as well: a new endpoint of a disabled provider is disabled."""
        for endpoint in endpoints:
            self._health.set_enabled(endpoint, on=self.endpoint_enabled(endpoint))


def _set_enabled(disabled: set[str], name: str, *, on: bool) -> None:
    if on:
        disabled.discard(name)
    else:
        disabled.add(name)
