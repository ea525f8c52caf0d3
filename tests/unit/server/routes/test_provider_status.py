"""How a provider is, from how its endpoints are."""

from __future__ import annotations

import pytest

from octoroute.balancing.health import HealthRegistry
from octoroute.domain.endpoint import Endpoint, Tier
from octoroute.errors import TooSlow
from octoroute.server.routes.provider_status import (
    any_available,
    endpoint_details,
    endpoint_status,
    group_by_provider,
    provider_status,
)
from tests.support.live_gateway import Clock


def endpoint(name: str, provider: str = "p", **more) -> Endpoint:
    return Endpoint(
        id=name, name=name, tier=Tier.FAST, kind="openai", provider=provider, base_url=f"http://{name}/v1", model=name, **more
    )


A, B, C = endpoint("a"), endpoint("b", priority=7), endpoint("c", "q")


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def health(clock):
    return HealthRegistry(failure_threshold=2, recovery_s=10, clock=clock, wall=clock)


def fail(health: HealthRegistry, *endpoints: Endpoint) -> None:
    for one in endpoints:
        lease = health.acquire(one)
        assert lease is not None
        lease.failed(TooSlow("x"))
        lease.release()


def test_an_endpoint_goes_from_healthy_over_unhealthy_to_open_and_half_open(health, clock):
    seen = [endpoint_status(A, health)]
    for _ in range(2):
        fail(health, A)
        seen.append(endpoint_status(A, health))
    clock.pass_(11)
    seen.append(endpoint_status(A, health))
    assert seen == ["healthy", "unhealthy", "circuit_open", "half_open"]


def test_a_provider_is_as_its_best_endpoint(health):
    fail(health, A, A)
    assert provider_status([A, B], health)["status"] == "healthy"
    fail(health, B)
    assert provider_status([A, B], health)["status"] == "unhealthy"
    fail(health, B)
    status = provider_status([A, B], health)
    assert (status["status"], status["priority"], status["failure_count"]) == ("circuit_open", 7, 2)
    assert status["last_success"] is None
    assert status["last_failure"] == 1000.0


def test_some_endpoint_is_available_until_all_are_open(health, clock):
    fail(health, A, A)
    assert any_available([A, B], health)
    fail(health, B, B)
    assert not any_available([A, B], health)
    clock.pass_(11)
    assert any_available([A, B], health)
    assert not any_available([], health)


def test_endpoints_are_grouped_in_their_order():
    assert group_by_provider([A, C, B]) == {"p": [A, B], "q": [C]}
    assert list(group_by_provider([C, A])) == ["q", "p"]


def test_details_name_the_last_error_and_hold_no_key(health):
    fail(health, A)
    details = endpoint_details(A, health)
    assert (details["status"], details["last_error"], details["in_flight"]) == ("unhealthy", "upstream_timeout", 0)
    assert "api_key" not in details
