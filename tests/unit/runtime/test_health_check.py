"""Active health checking: probes come at their interval, and neither wait for each other nor hold up requests."""

from __future__ import annotations

import asyncio

import pytest

from octoroute.domain.endpoint import ProviderLimits
from octoroute.errors import Unreachable
from octoroute.runtime.health_check import ActiveHealthCheck
from tests.support.spine import Spine, make_endpoint
from tests.support.virtual import now, run


class FakeUpstream:
    def __init__(self, hang=()):
        self.probed = []
        self.hang = hang

    async def probe(self, endpoint, timeout_s):
        self.probed.append((endpoint.id, now()))
        if endpoint.id in self.hang:
            await asyncio.Event().wait()


def prober(upstream, spine, interval_s):
    return ActiveHealthCheck(
        upstream=upstream,
        health=spine.health,
        endpoints=lambda: spine.gateway.settings.endpoints,
        interval_s=lambda: interval_s,
        random=spine.random.random,
        cannot_probe=lambda *_: None,
    )


@pytest.mark.parametrize(("interval_s", "least", "most"), [(30.0, 18, 23), (0.0, 0, 0)])
def test_a14_x4_probes_come_at_the_interval_with_jitter_and_zero_means_none(interval_s, least, most):
    async def story():
        spine, upstream = Spine([make_endpoint("a")]), FakeUpstream()
        task = asyncio.ensure_future(prober(upstream, spine, interval_s).run())
        await asyncio.sleep(600)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert least <= len(upstream.probed) <= most
        gaps = [later - sooner for (_, sooner), (_, later) in zip(upstream.probed, upstream.probed[1:], strict=False)]
        assert all(27 <= gap <= 33 for gap in gaps)
        assert len(set(gaps)) == len(gaps)

    run(story())


def test_a14_a_probe_that_hangs_delays_no_request_and_uses_nobodys_limit():
    async def story():
        spine = Spine([make_endpoint("a", provider="p")], limits={"p": ProviderLimits(requests_per_minute=1)})
        task = asyncio.ensure_future(prober(FakeUpstream(hang={"a"}), spine, 5.0).run())
        await asyncio.sleep(2)
        before = now()
        assert (await spine.ask()).status == 200
        assert now() == before
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    run(story())


def test_what_a_probe_finds_reaches_the_health_of_its_endpoint_and_of_no_other():
    async def story():
        endpoints = [make_endpoint(name) for name in ("down", "up", "odd")]
        spine = Spine(endpoints, failure_threshold=1)
        impossible = []

        class Upstream:
            async def probe(self, endpoint, timeout_s):
                if endpoint.id == "down":
                    raise Unreachable("no connection")
                if endpoint.id == "odd":
                    raise ZeroDivisionError

        check = ActiveHealthCheck(
            upstream=Upstream(),
            health=spine.health,
            endpoints=lambda: endpoints,
            interval_s=lambda: 30.0,
            random=spine.random.random,
            cannot_probe=lambda endpoint, error: impossible.append((endpoint.id, type(error))),
        )
        await check.round()
        assert [spine.health.available(endpoint) for endpoint in endpoints] == [False, True, True]
        assert impossible == [("odd", ZeroDivisionError)]

    run(story())
