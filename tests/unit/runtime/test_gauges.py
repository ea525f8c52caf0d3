"""Each gauge has a sample for each endpoint, and nothing else does."""

from __future__ import annotations

from collections import Counter

from octoroute.balancing.health import HealthRegistry
from octoroute.errors import Overloaded
from octoroute.runtime.gauges import gauge_samples
from tests.support.parts import endpoint


def test_the_samples_follow_the_health_of_the_endpoints():
    now = [0.0]
    health = HealthRegistry(failure_threshold=1, recovery_s=30.0, clock=lambda: now[0], wall=lambda: 0.0)
    a, b = endpoint("a"), endpoint("b")
    health.acquire(a)
    health.acquire(a)
    health.failed(b, Overloaded("x"))

    def samples():
        return {(name, *labels): value for name, labels, value in gauge_samples(health, iter([a, b]), 3)}

    assert samples() == {
        ("octoroute_inflight_requests",): 2.0,
        ("octoroute_queue_depth",): 3.0,
        ("octoroute_endpoint_inflight", "a"): 2.0,
        ("octoroute_endpoint_inflight", "b"): 0.0,
        ("octoroute_circuit_state", "a"): 0.0,
        ("octoroute_circuit_state", "b"): 2.0,
        ("octoroute_endpoint_failures", "a"): 0.0,
        ("octoroute_endpoint_failures", "b"): 1.0,
    }
    now[0] = 30.0
    assert samples()["octoroute_circuit_state", "b"] == 1.0
    names = Counter(name for name, *_ in gauge_samples(health, [], 0))
    assert names == {"octoroute_inflight_requests": 1, "octoroute_queue_depth": 1}
