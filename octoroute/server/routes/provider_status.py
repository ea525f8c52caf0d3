"""The state of providers and endpoints, as `/health` and `/admin/providers` report it. Pure.

`healthy`; `unhealthy`: the last attempt failed; `circuit_open`; `half_open`; `disabled` by an operator.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from octoroute.balancing.health import HealthRegistry
from octoroute.domain.endpoint import CircuitState, Endpoint

BEST_FIRST = ("healthy", "unhealthy", "half_open", "circuit_open", "disabled")


def endpoint_status(endpoint: Endpoint, health: HealthRegistry) -> str:
    breaker = health.breaker(endpoint)
    if breaker.disabled:
        return "disabled"
    circuit = health.circuit_state(endpoint)
    if circuit is CircuitState.CLOSED:
        return "unhealthy" if breaker.failures else "healthy"
    return "half_open" if circuit is CircuitState.HALF_OPEN else "circuit_open"


def any_available(endpoints: Iterable[Endpoint], health: HealthRegistry) -> bool:
    """True if at least one endpoint accepts requests, including a half-open one that accepts a trial request."""
    return any(endpoint_status(endpoint, health) not in {"circuit_open", "disabled"} for endpoint in endpoints)


def group_by_provider(endpoints: Iterable[Endpoint]) -> Mapping[str, Sequence[Endpoint]]:
    groups: dict[str, list[Endpoint]] = {}
    for endpoint in endpoints:
        groups.setdefault(endpoint.provider, []).append(endpoint)
    return groups


def provider_status(endpoints: Sequence[Endpoint], health: HealthRegistry) -> dict[str, Any]:
    """Return the state of a provider: that of its best endpoint. Times are seconds since the epoch; None: never."""
    breakers = [health.breaker(endpoint) for endpoint in endpoints]
    return {
        "status": min((endpoint_status(endpoint, health) for endpoint in endpoints), key=BEST_FIRST.index),
        "priority": max(endpoint.priority for endpoint in endpoints),
        "failure_count": max(breaker.failures for breaker in breakers),
        "last_success": max((breaker.succeeded_at for breaker in breakers if breaker.succeeded_at), default=None),
        "last_failure": max((breaker.failed_at for breaker in breakers if breaker.failed_at), default=None),
    }


def endpoint_details(endpoint: Endpoint, health: HealthRegistry) -> dict[str, Any]:
    breaker = health.breaker(endpoint)
    return {
        "id": endpoint.id,
        "name": endpoint.name,
        "model": endpoint.model,
        "tier": endpoint.tier,
        "base_url": endpoint.base_url,
        "status": endpoint_status(endpoint, health),
        "priority": endpoint.priority,
        "failure_count": breaker.failures,
        "last_success": breaker.succeeded_at,
        "last_failure": breaker.failed_at,
        "last_error": breaker.last_error,
        "in_flight": breaker.in_flight,
        "max_in_flight": endpoint.max_in_flight,
    }
