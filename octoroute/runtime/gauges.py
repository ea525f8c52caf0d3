"""The values of the gauges of a running instance, read anew at each scrape, so that a reload takes effect."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from octoroute.balancing.health import HealthRegistry
from octoroute.domain.endpoint import CircuitState, Endpoint
from octoroute.runtime.replicas import ReplicaReport
from octoroute.telemetry.metric_catalog import GaugeSample

_CIRCUITS = {CircuitState.CLOSED: 0.0, CircuitState.HALF_OPEN: 1.0, CircuitState.OPEN: 2.0}


def gauge_samples(
    health: HealthRegistry,
    endpoints: Iterable[Endpoint],
    queue_depth: int,
    *,
    limits_down: bool = False,
    others: Sequence[ReplicaReport] = (),
) -> Iterator[GaugeSample]:
    """For each metric in `telemetry.metric_catalog.GAUGES`; `endpoints` are all endpoints of the current configuration.

    `others`: reports of the other replicas.
    """
    endpoints = list(endpoints)
    yield "octoroute_inflight_requests", (), float(sum(health.breaker(endpoint).in_flight for endpoint in endpoints))
    yield "octoroute_queue_depth", (), float(queue_depth)
    yield "octoroute_limits_store_down", (), float(limits_down)
    yield "octoroute_other_replicas", (), float(len(others))
    yield "octoroute_other_replicas_inflight_requests", (), float(sum(sum(report.in_flight.values()) for report in others))
    yield "octoroute_other_replicas_queue_depth", (), float(sum(report.queued for report in others))
    for endpoint in endpoints:
        state = health.breaker(endpoint)
        yield "octoroute_endpoint_inflight", (endpoint.id,), float(state.in_flight)
        yield "octoroute_circuit_state", (endpoint.id,), _CIRCUITS[health.circuit_state(endpoint)]
        yield "octoroute_endpoint_failures", (endpoint.id,), float(state.failures)
