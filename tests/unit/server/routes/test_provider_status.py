"""How a provider is, from how its endpoints are."""

from __future__ import annotations

import pytest

from octoroute.balancing.health import HealthRegistry
from octoroute.domain.endpoint import Endpoint, Tier
from octoroute.errors import Throttled, TooSlow
from octoroute.server.routes.provider_status import (
    any_available,
    endpoint_details,
    endpoint_status,
    group_by_provider,
    overall_status,
    provider_status,
    tier_status,
)
from tests.support.live_gateway import Clock


def endpoint(name: str, provider: str = "p", tier: Tier = Tier.FAST, **more) -> Endpoint:
    return Endpoint(
        id=name, name=name, tier=tier, kind="openai", provider=provider, base_url=f"http://{name}/v1", model=name, **more
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


def test_f6_a_provider_is_healthy_only_if_all_its_endpoints_are(health):
    fail(health, A, A)
    assert provider_status([A, B], health)["status"] == "degraded"
    fail(health, B)
    assert provider_status([A, B], health)["status"] == "unhealthy"
    fail(health, B)
    status = provider_status([A, B], health)
    assert (status["status"], status["priority"], status["failure_count"]) == ("circuit_open", 7, 2)
    assert status["last_success"] is None
    assert status["last_failure"] == 1000.0
    assert provider_status([A, B], health, 1)["priority"] == 1, "as the file has it"


def test_some_endpoint_is_available_until_all_are_open(health, clock):
    fail(health, A, A)
    assert any_available([A, B], health)
    fail(health, B, B)
    assert not any_available([A, B], health)
    clock.pass_(11)
    assert any_available([A, B], health)
    assert not any_available([], health)


def test_an_endpoint_that_rests_or_that_probes_doubt(health, clock):
    health.failed(A, Throttled("x", retry_after_s=9))
    assert endpoint_status(A, health) == "resting"
    health.probe_failed(B, "upstream_misconfigured", clock(), answered=True)
    assert endpoint_status(B, health) == "suspect"
    assert any_available([B], health), "a trial may be made"
    assert any_available([A], health), "it is at its rate limit, and not dead"


def test_f6_a_tier_tells_what_its_clients_can_use(health, clock):
    big = endpoint("big", tier=Tier.DEEP)
    assert tier_status([A, B, big], health) == {"fast": "healthy", "deep": "healthy"}
    assert overall_status(tier_status([A, B, big], health)) == "healthy"
    fail(health, big, big)
    assert tier_status([A, B, big], health) == {"fast": "healthy", "deep": "unhealthy"}
    assert overall_status(tier_status([A, B, big], health)) == "degraded"
    fail(health, A)
    assert tier_status([A, B], health) == {"fast": "degraded"}
    fail(health, A, B, B)
    assert overall_status(tier_status([A, B, big], health)) == "unhealthy"
    clock.pass_(1)
    assert overall_status(tier_status([A, B, big], health)) == "degraded", "a trial may be made"
    assert overall_status({}) == "unhealthy"


def test_endpoints_are_grouped_in_their_order():
    assert group_by_provider([A, C, B]) == {"p": [A, B], "q": [C]}
    assert list(group_by_provider([C, A])) == ["q", "p"]


def test_details_name_the_last_error_and_hold_no_key(health):
    fail(health, A)
    details = endpoint_details(A, health)
    assert (details["status"], details["last_error"], details["in_flight"]) == ("unhealthy", "upstream_timeout", 0)
    assert "api_key" not in details
