"""A running instance: what a reload swaps, what it keeps, and what it leaves to requests under way."""

from __future__ import annotations

from pathlib import Path

import pytest

from octoroute.balancing.health import DISABLED
from octoroute.config import loads
from octoroute.errors import Overloaded
from octoroute.runtime.assembly import Runtime

BASE = """
[[models.balanced]]
name = "one"
base_url = "http://127.0.0.1:1/v1"
api_key = "{key}"
[[models.balanced]]
name = "two"
base_url = "http://127.0.0.1:2/v1"
{more}
"""


def config(more="", key="sk-first-0123456789"):
    return loads(BASE.format(more=more, key=key), Path("test.toml"), {})


class NoTransport:
    def __init__(self) -> None:
        self.closed = False

    async def close(self) -> None:
        self.closed = True


@pytest.fixture
def runtime() -> Runtime:
    return Runtime(config(), transport=NoTransport(), clock=lambda: 0.0, wall=lambda: 0.0, chance=lambda: 0.5)


def test_it_has_at_most_twelve_fields(runtime):
    assert len(vars(runtime)) <= 12


def test_a_reload_swaps_the_settings_as_a_whole(runtime):
    before = runtime.gateway.settings
    assert (before.cache, before.shadow) == (None, None)
    runtime.reload(config("[cache]\nenabled = true\n[routing.shadow]\nshare = 0.5\n[retry]\nmax_attempts = 7"))
    after = runtime.gateway.settings
    assert (after.cache is None, after.shadow is None, after.retry.max_attempts) == (False, False, 7)
    assert (before.cache, before.shadow, before.retry.max_attempts) == (None, None, 3)
    runtime.reload(config())
    assert (runtime.gateway.settings.cache, runtime.gateway.settings.shadow) == (None, None)


def test_a_cache_does_not_survive_a_reload_and_the_policy_and_the_mirror_do(runtime):
    more = "[cache]\nenabled = true\n[routing.shadow]\nshare = 0.5"
    runtime.reload(config(more))
    before = runtime.gateway.settings
    runtime.reload(config(more))
    after = runtime.gateway.settings
    assert after.cache is not before.cache
    assert after.shadow is before.shadow
    assert after.policy is before.policy


def test_an_endpoint_that_stays_keeps_its_health_and_one_with_other_credentials_does_not(runtime):
    health = runtime.gateway.health
    for endpoint in runtime.gateway.settings.endpoints:
        for _ in range(10):
            health.failed(endpoint, Overloaded("x"))
    runtime.reload(config(key="sk-second-0123456789"))
    one, two = runtime.gateway.settings.endpoints
    assert (health.available(one), health.available(two)) == (True, False)


def test_an_endpoint_disabled_by_an_operator_stays_so(runtime):
    one, _ = runtime.gateway.settings.endpoints
    runtime.admin_state.set_endpoint(one.id, runtime.gateway.settings.endpoints, on=False)
    runtime.reload(config(key="sk-second-0123456789"))
    one, _ = runtime.gateway.settings.endpoints
    assert runtime.gateway.health.unavailable_reason(one) == DISABLED


def test_new_thresholds_take_effect_at_once(runtime):
    runtime.reload(config("[health]\nfailure_threshold = 1\nrecovery_seconds = 5"))
    health = runtime.gateway.health
    one, _ = runtime.gateway.settings.endpoints
    health.failed(one, Overloaded("x"))
    assert not health.available(one)
    assert health.recovery_s == 5


def test_freed_capacity_reaches_the_queue(runtime):
    one, _ = runtime.gateway.settings.endpoints
    offered = []
    runtime.gateway.queue.depth = 1
    runtime.gateway.queue._grant = offered.append  # there is no request to grant it to
    runtime.gateway.health.acquire(one).release()
    assert offered == [(one.id, one.provider)]


async def test_stopping_ends_the_tasks_and_closes_the_transport(runtime):
    await runtime.start()
    await runtime.stop()
    assert runtime._transport.closed
    assert not [task for task in runtime._tasks._tasks if not task.done()]
