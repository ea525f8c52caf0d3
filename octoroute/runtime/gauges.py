"""The values of the gauges of a running instance, read anew at each scrape, so that a reload takes effect."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from octoroute.balancing.health import HealthRegistry
from octoroute.domain.endpoint import CircuitState, Endpoint
from octoroute.telemetry.metric_catalog import GaugeSample

_CIRCUITS = {CircuitState.CLOSED: 0.0, CircuitState.HALF_OPEN: 1.0, CircuitState.OPEN: 2.0}


def gauge_samples(
    health: HealthRegistry, endpoints: Iterable[Endpoint], queue_depth: int, *, limits_down: bool = False
) -> Iterator[GaugeSample]:
    """For each metric in `telemetry.metric_catalog.GAUGES`; `endpoints` are all endpoints of the current configuration."""
    endpoints = list(endpoints)
    yield "octoroute_inflight_requests", (), float(sum(health.breaker(endpoint).in_flight for endpoint in endpoints))
    yield "octoroute_queue_depth", (), float(queue_depth)
    yield "octoroute_limits_store_down", (), float(limits_down)
    for endpoint in endpoints:
        state = health.breaker(endpoint)
        yield "octoroute_endpoint_inflight", (endpoint.id,), float(state.in_flight)
        yield "octoroute_circuit_state", (endpoint.id,), _CIRCUITS[health.circuit_state(endpoint)]
        yield "octoroute_endpoint_failures", (endpoint.id,), float(state.failures)
