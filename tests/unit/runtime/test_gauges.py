"""Every gauge of the catalog has a sample, and a sample is the state of that moment."""

from __future__ import annotations

from octoroute.balancing.health import HealthRegistry
from octoroute.errors import Unreachable
from octoroute.runtime.gauges import gauge_samples
from octoroute.telemetry.metric_catalog import GAUGES
from tests.support.parts import endpoint


def test_every_gauge_has_a_sample_with_its_labels():
    health = HealthRegistry(failure_threshold=1, recovery_s=1, clock=lambda: 0.0, wall=lambda: 0.0)
    found = {(name, len(labels)) for name, labels, _ in gauge_samples(health, [endpoint("a")], 0)}
    assert found == {(row.name, len(row.labels)) for row in GAUGES}


def test_samples_show_requests_in_progress_and_an_open_circuit():
    health = HealthRegistry(failure_threshold=1, recovery_s=1, clock=lambda: 0.0, wall=lambda: 0.0)
    one, two = endpoint("a"), endpoint("b")
    lease, other = health.acquire(one), health.acquire(two)

    def values() -> dict[tuple[str, ...], float]:
        return {(name, *labels): value for name, labels, value in gauge_samples(health, [one, two], 3)}

    assert values()["octoroute_inflight_requests",] == 2
    assert values()["octoroute_queue_depth",] == 3
    assert values()["octoroute_endpoint_inflight", "a"] == 1
    assert values()["octoroute_circuit_state", "a"] == 0
    lease.failed(Unreachable("down"))
    lease.release(None)
    other.succeeded()
    other.release(None)
    assert values()["octoroute_inflight_requests",] == 0
    assert values()["octoroute_circuit_state", "a"] == 2
    assert values()["octoroute_endpoint_failures", "a"] == 1
    assert values()["octoroute_circuit_state", "b"] == 0
