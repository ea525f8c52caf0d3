"""How the providers are, in the words of `/health` and `/admin/providers`. Pure.

`healthy`; `unhealthy`: its last answer was a failure; `circuit_open`, `half_open`; `disabled` by an operator.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from octoroute.balancing.health import HealthRegistry
from octoroute.domain.endpoint import CircuitState, Endpoint

BEST_FIRST = ("healthy", "unhealthy", "half_open", "circuit_open", "disabled")


def endpoint_status(endpoint: Endpoint, health: HealthRegistry) -> str:
    state = health.breaker(endpoint)
    if state.disabled:
        return "disabled"
    circuit = health.circuit_state(endpoint)
    if circuit is CircuitState.CLOSED:
        return "unhealthy" if state.failures else "healthy"
    return "half_open" if circuit is CircuitState.HALF_OPEN else "circuit_open"


def any_available(endpoints: Iterable[Endpoint], health: HealthRegistry) -> bool:
    """Somebody may be asked, now or as a trial."""
    return any(endpoint_status(endpoint, health) not in {"circuit_open", "disabled"} for endpoint in endpoints)


def group_by_provider(endpoints: Iterable[Endpoint]) -> Mapping[str, Sequence[Endpoint]]:
    found: dict[str, list[Endpoint]] = {}
    for endpoint in endpoints:
        found.setdefault(endpoint.provider, []).append(endpoint)
    return found


def provider_status(endpoints: Sequence[Endpoint], health: HealthRegistry) -> dict[str, Any]:
    """As its best endpoint is. Times are seconds since the epoch, or null."""
    states = [health.breaker(endpoint) for endpoint in endpoints]
    return {
        "status": min((endpoint_status(endpoint, health) for endpoint in endpoints), key=BEST_FIRST.index),
        "priority": max(endpoint.priority for endpoint in endpoints),
        "failure_count": max(state.failures for state in states),
        "last_success": max((state.succeeded_at for state in states if state.succeeded_at), default=None),
        "last_failure": max((state.failed_at for state in states if state.failed_at), default=None),
    }


def endpoint_details(endpoint: Endpoint, health: HealthRegistry) -> dict[str, Any]:
    state = health.breaker(endpoint)
    return {
        "id": endpoint.id,
        "name": endpoint.name,
        "model": endpoint.model,
        "tier": endpoint.tier,
        "base_url": endpoint.base_url,
        "status": endpoint_status(endpoint, health),
        "priority": endpoint.priority,
        "failure_count": state.failures,
        "last_success": state.succeeded_at,
        "last_failure": state.failed_at,
        "last_error": state.last_error,
        "in_flight": state.in_flight,
        "max_in_flight": endpoint.max_in_flight,
    }
