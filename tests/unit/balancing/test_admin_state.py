"""What an operator has disabled, and how it reaches health."""

from __future__ import annotations

import pytest

from octoroute.balancing.admin_state import AdminState
from octoroute.balancing.health import DISABLED, HealthRegistry
from tests.support.parts import endpoint

A, B, C = endpoint("a", provider="p"), endpoint("b", provider="p"), endpoint("c", provider="q")
ALL = (A, B, C)


@pytest.fixture
def health():
    return HealthRegistry(failure_threshold=3, recovery_s=30.0, clock=lambda: 0.0, wall=lambda: 0.0)


@pytest.fixture
def state(health):
    return AdminState(health)


def available(health):
    return [one.id for one in ALL if health.available(one)]


def test_a_disabled_provider_takes_its_endpoints_along(health, state):
    state.set_provider("p", ALL, on=False)
    assert available(health) == ["c"]
    assert health.unavailable_reason(A) == DISABLED
    assert (state.provider_enabled("p"), state.provider_enabled("q")) == (False, True)
    state.set_provider("p", ALL, on=True)
    assert available(health) == ["a", "b", "c"]


def test_an_endpoint_needs_itself_and_its_provider_enabled(health, state):
    state.set_endpoint("a", ALL, on=False)
    state.set_provider("p", ALL, on=False)
    state.set_provider("p", ALL, on=True)
    assert available(health) == ["b", "c"]
    state.set_provider("p", ALL, on=False)
    state.set_endpoint("a", ALL, on=True)
    assert available(health) == ["c"]
    assert not state.endpoint_enabled(A)


def test_disabling_twice_is_disabling_once(health, state):
    for _ in range(2):
        state.set_endpoint("a", ALL, on=False)
    state.set_endpoint("a", ALL, on=True)
    state.set_endpoint("a", ALL, on=True)
    assert available(health) == ["a", "b", "c"]


def test_an_endpoint_that_a_reload_adds_to_a_disabled_provider_is_disabled(health, state):
    state.set_provider("p", ALL, on=False)
    added = endpoint("d", provider="p")
    assert health.available(added), "health does not know of it yet"
    state.apply((*ALL, added))
    assert not health.available(added)


def test_requests_in_flight_finish(health, state):
    lease = health.acquire(A)
    state.set_endpoint("a", ALL, on=False)
    lease.succeeded()
    lease.release()
    assert health.breaker(A).in_flight == 0
    assert health.acquire(A) is None
