"""The changes of a circuit, as people read them."""

from __future__ import annotations

from octoroute.balancing.circuit_history import KEPT, CircuitHistory
from octoroute.balancing.health import HealthRegistry
from octoroute.domain.endpoint import CircuitState
from octoroute.errors import BadUpstreamResponse
from tests.support.live_gateway import Clock
from tests.support.parts import endpoint

CLOSED, OPEN, HALF_OPEN = CircuitState.CLOSED, CircuitState.OPEN, CircuitState.HALF_OPEN


def test_a_circuit_tells_what_opened_and_what_closed_it():
    clock, wall = Clock(), Clock(5000.0)
    health = HealthRegistry(failure_threshold=2, recovery_s=30.0, clock=clock, wall=wall)
    one = endpoint("a")
    for request in ("r1", "r2"):
        health.failed(one, BadUpstreamResponse("it crashed"), request)
    clock.pass_(2.0)
    wall.pass_(2.0)
    assert health.acquire(one, by="r3") is not None
    health.succeeded(one, by="r3")
    told = [(change.at, change.before, change.after, change.cause, change.request_id) for change in health.changes.of(one)]
    assert told == [
        (5000.0, CLOSED, OPEN, "upstream_failed", "r2"),
        (5002.0, OPEN, HALF_OPEN, "", "r3"),
        (5002.0, HALF_OPEN, CLOSED, "", "r3"),
    ]
    health.retain([endpoint("b")])
    assert health.changes.of(one) == ()


def test_an_endpoint_that_flaps_leaves_the_last_changes_only():
    changes = CircuitHistory(Clock())
    for number in range(KEPT + 50):
        changes.add(OPEN if number % 2 else CLOSED, endpoint("a"), str(number), "")
    kept = changes.of(endpoint("a"))
    assert (len(kept), kept[0].request_id, kept[-1].request_id) == (KEPT, "50", str(KEPT + 49))
