"""A lease is released once, and tells the registry whose attempt it was."""

from __future__ import annotations

from octoroute.balancing.health import HealthRegistry
from octoroute.errors import BadUpstreamResponse
from tests.support.parts import endpoint


def registry() -> HealthRegistry:
    return HealthRegistry(failure_threshold=2, recovery_s=30.0, clock=lambda: 0.0, wall=lambda: 0.0)


def test_a_second_failure_of_the_same_request_is_not_counted():
    health, one = registry(), endpoint("one")
    for again in (False, True, True):
        lease = health.acquire(one)
        assert lease is not None and not lease.is_trial
        lease.again = again
        lease.failed(BadUpstreamResponse("x"))
        lease.release()
        lease.release()
    assert (health.breaker(one).failures, health.breaker(one).in_flight) == (1, 0)
