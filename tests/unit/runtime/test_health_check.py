"""Active health checking: probes come at their interval, and neither wait for each other nor hold up requests."""

from __future__ import annotations

import asyncio

import pytest
import structlog

from octoroute.domain.endpoint import ProviderLimits, Secret
from octoroute.errors import Unreachable, UpstreamAuthError
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
        clock=now,
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


class Script:
    """What each server answers: an error to raise, an error that it says, or None."""

    def __init__(self, **answers):
        self.answers = answers
        self.probed = []

    async def probe(self, endpoint, timeout_s):
        self.probed.append(endpoint.id)
        answer = self.answers.get(endpoint.id)
        if isinstance(answer, tuple):
            raise answer[0]
        return answer


def test_what_a_probe_finds_reaches_the_health_of_its_server_and_of_no_other():
    async def story():
        endpoints = [make_endpoint(name, base_url=f"https://{name}.test/v1") for name in ("down", "up", "odd")]
        endpoints.append(make_endpoint("down-too", base_url="https://down.test/v1"))
        spine = Spine(endpoints, failure_threshold=1)
        impossible = []
        check = prober(Script(down=(Unreachable("no connection"),), odd=(ZeroDivisionError(),)), spine, 30.0)
        check._cannot_probe = lambda endpoint, error: impossible.append((endpoint.id, type(error)))
        await check.round()
        assert [spine.health.is_suspect(endpoint) for endpoint in endpoints] == [True, False, False, True]
        assert all(spine.health.available(endpoint) for endpoint in endpoints), "a probe alone takes nothing away"
        assert impossible == [("odd", ZeroDivisionError)]

    run(story())


def test_o17_endpoints_of_one_address_and_key_are_one_probe():
    async def story():
        same = [make_endpoint(f"m{n}", base_url="https://one.test/v1") for n in range(12)]
        other = make_endpoint("key", base_url="https://one.test/v1", api_key=Secret("another-key"))
        spine, script = Spine([*same, other]), Script()
        await prober(script, spine, 30.0).round()
        assert script.probed == ["m0", "key"]

    run(story())


def test_o18_an_endpoint_without_health_check_is_not_probed():
    async def story():
        spine, script = Spine([make_endpoint("a", health_check=False), make_endpoint("b")]), Script()
        await prober(script, spine, 30.0).round()
        assert script.probed == ["b"]

    run(story())


def test_o04_a_server_that_is_answering_is_not_probed():
    async def story():
        spine, script = Spine([make_endpoint("a")], delay_s=lambda _: 4.0), Script()
        check = prober(script, spine, 30.0)
        asking = asyncio.ensure_future(spine.ask())
        await asyncio.sleep(2)
        await check.round()
        assert script.probed == [], "a request is under way"
        await asking
        await asyncio.sleep(20)
        await check.round()
        assert script.probed == [], "it has just answered"
        await asyncio.sleep(20)
        await check.round()
        assert script.probed == ["a"]

    run(story())


def test_o02_a_key_that_may_not_list_is_logged_once_and_never_outranks_a_success():
    async def story():
        spine = Spine([make_endpoint("a")])
        (endpoint,) = spine.gateway.settings.endpoints
        script = Script(a=UpstreamAuthError("x", detail="status 403"))
        check = prober(script, spine, 0.001)
        with structlog.testing.capture_logs() as lines:
            await check.round()
            assert spine.health.is_suspect(endpoint)
            assert (await spine.ask()).status == 200, "it is asked, because there is no other"
            assert not spine.health.is_suspect(endpoint)
            for _ in range(9):
                await asyncio.sleep(1)
                await check.round()
            assert not spine.health.is_suspect(endpoint)
        assert [line["error"] for line in lines if line["event"] == "probe.refused"] == ["status 403"]
        assert len(script.probed) == 10

    run(story())
