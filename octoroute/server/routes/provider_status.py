"""The state of tiers, providers, and endpoints, as `/health` and `/admin/providers` report it. Pure.

An endpoint is `healthy`; `unhealthy`: its last answer was a failure; `suspect`: its probes failed; `resting`: it is in cooldown;
`circuit_open`; `half_open`; or `disabled` by an operator. Endpoints together are `healthy` if all of them are, `degraded` if some
are, and otherwise as the best of them. A tier is `healthy`, `degraded`, or `unhealthy`: no client can use it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from octoroute.balancing.circuit import IN_COOLDOWN
from octoroute.balancing.health import HealthRegistry
from octoroute.domain.endpoint import CircuitState, Endpoint, Tier

BEST_FIRST = ("healthy", "unhealthy", "suspect", "half_open", "resting", "circuit_open", "disabled")
_USABLE = frozenset({"healthy", "unhealthy", "suspect", "half_open"})
"""A request may be sent to it now."""


def endpoint_status(endpoint: Endpoint, health: HealthRegistry) -> str:
    breaker = health.breaker(endpoint)
    if breaker.disabled:
        return "disabled"
    if health.needs_trial(endpoint):
        return "half_open" if health.circuit_state(endpoint) is CircuitState.HALF_OPEN else "circuit_open"
    if health.unavailable_reason(endpoint) == IN_COOLDOWN:
        return "resting"
    if health.is_suspect(endpoint):
        return "suspect"
    return "unhealthy" if breaker.failures else "healthy"


def any_available(endpoints: Iterable[Endpoint], health: HealthRegistry) -> bool:
    """True if at least one endpoint may be asked now or rests: a trial of a half-open one, or one that probes doubt, counts."""
    return any(endpoint_status(endpoint, health) in {*_USABLE, "resting"} for endpoint in endpoints)


def group_by_provider(endpoints: Iterable[Endpoint]) -> Mapping[str, Sequence[Endpoint]]:
    groups: dict[str, list[Endpoint]] = {}
    for endpoint in endpoints:
        groups.setdefault(endpoint.provider, []).append(endpoint)
    return groups


def tier_status(endpoints: Iterable[Endpoint], health: HealthRegistry) -> Mapping[str, str]:
    """For each tier that has an endpoint: what its clients can use."""
    groups: dict[Tier, list[str]] = {}
    for endpoint in endpoints:
        groups.setdefault(endpoint.tier, []).append(endpoint_status(endpoint, health))
    return {
        tier.value: "healthy" if set(states) == {"healthy"} else "unhealthy" if _USABLE.isdisjoint(states) else "degraded"
        for tier, states in groups.items()
    }


def overall_status(tiers: Mapping[str, str]) -> str:
    """Of the gateway: that of all its tiers."""
    states = set(tiers.values())
    return states.pop() if len(states) == 1 else "degraded" if states else "unhealthy"


def provider_status(endpoints: Sequence[Endpoint], health: HealthRegistry, priority: float | None = None) -> dict[str, Any]:
    """`priority`: as the file has it; None: that of its endpoints. Times are seconds since the epoch; None: never."""
    breakers = [health.breaker(endpoint) for endpoint in endpoints]
    states = {endpoint_status(endpoint, health) for endpoint in endpoints}
    return {
        "status": "degraded" if "healthy" in states and len(states) > 1 else min(states, key=BEST_FIRST.index),
        "priority": max(endpoint.priority for endpoint in endpoints) if priority is None else priority,
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
