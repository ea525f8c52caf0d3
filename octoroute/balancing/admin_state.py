"""What an operator has switched off while the gateway runs: whole providers, or single endpoints. In memory: a restart forgets.

Who is off gets no new request; what it is answering it may finish.
"""

from __future__ import annotations

from collections.abc import Iterable

from octoroute.balancing.health import HealthRegistry
from octoroute.domain.endpoint import Endpoint


class AdminState:
    def __init__(self, health: HealthRegistry) -> None:
        self._health = health
        self._providers: set[str] = set()
        self._endpoints: set[str] = set()

    def provider_enabled(self, name: str) -> bool:
        return name not in self._providers

    def endpoint_enabled(self, endpoint: Endpoint) -> bool:
        """Itself, and its provider."""
        return not (endpoint.id in self._endpoints or endpoint.provider in self._providers)

    def set_provider(self, name: str, endpoints: Iterable[Endpoint], *, on: bool) -> None:
        _turn(self._providers, name, on=on)
        self.apply(endpoints)

    def set_endpoint(self, endpoint_id: str, endpoints: Iterable[Endpoint], *, on: bool) -> None:
        _turn(self._endpoints, endpoint_id, on=on)
        self.apply(endpoints)

    def apply(self, endpoints: Iterable[Endpoint]) -> None:
        """Also after a reload: a new endpoint of a provider that is off is off."""
        for endpoint in endpoints:
            self._health.set_enabled(endpoint, on=self.endpoint_enabled(endpoint))


def _turn(off: set[str], name: str, *, on: bool) -> None:
    if on:
        off.discard(name)
    else:
        off.add(name)
