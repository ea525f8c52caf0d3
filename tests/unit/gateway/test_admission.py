"""A request that no endpoint has capacity for waits in the queue, or is refused with the reason."""

from __future__ import annotations

import asyncio

import pytest

from octoroute.domain.endpoint import ProviderLimits
from octoroute.gateway.settings import QueueSettings
from tests.support.spine import Spine, make_endpoint
from tests.support.virtual import run


def busy(**more):
    """One endpoint that takes one request at a time, for 5 seconds each."""
    return Spine([make_endpoint("a", max_in_flight=1)], delay_s=lambda _: 5.0, **more)


def together(spine, count):
    return asyncio.gather(*(spine.ask() for _ in range(count)))


def test_requests_wait_for_capacity_and_the_outcome_says_how_long():
    async def story():
        spine = busy(waiting=QueueSettings(max_waiting=5, max_wait_s=60.0))
        first, second = await together(spine, 2)
        assert (first.status, second.status) == (200, 200)
        assert (first.outcome.queued_s, second.outcome.queued_s) == (None, pytest.approx(5.0))
        assert spine.gateway.queue.depth == 0

    run(story())


@pytest.mark.parametrize(
    ("waiting", "status", "words"),
    [
        (QueueSettings(), 503, "no endpoint is available (at capacity)"),
        (QueueSettings(max_waiting=1, max_wait_s=60.0), 429, "the queue is full"),
        (QueueSettings(max_waiting=5, max_wait_s=3.0), 429, "the request waited 3 s in the queue"),
    ],
)
def test_why_a_request_is_refused(waiting, status, words):
    async def story():
        spine = busy(waiting=waiting)
        refused = [told for told in await together(spine, 3) if told.status != 200]
        assert refused
        assert {told.status for told in refused} == {status}
        assert all(words in told.error.message for told in refused)
        assert (spine.gateway.queue.depth, spine.health.breaker(make_endpoint("a")).in_flight) == (0, 0)

    run(story())


def test_an_open_circuit_is_not_waited_for_and_the_error_says_when_to_retry():
    async def story():
        spine = Spine([make_endpoint("a")], {"a": "500"}, failure_threshold=1, recovery_s=0.5, waiting=QueueSettings(max_waiting=5))
        await spine.ask()
        await asyncio.sleep(0.2)
        told = await spine.ask()
        assert told.outcome.queued_s is None
        assert told.error.message == "no endpoint is available (circuit open); retry after 1 s"
        assert told.error.retry_after_s == pytest.approx(0.3)

    run(story())


def test_a_provider_at_its_rate_limit_is_named():
    async def story():
        spine = Spine([make_endpoint("a")], limits={"openai": ProviderLimits(requests_per_minute=1)})
        assert (await spine.ask()).status == 200
        told = await spine.ask()
        assert (told.status, told.error.retry_after_s) == (429, pytest.approx(60, abs=1))
        assert told.error.message.startswith("every suitable provider is at its rate limit; retry after ")

    run(story())


def test_a_grant_for_a_request_that_leaves_at_that_moment_is_given_back():
    async def story():
        spine = busy(waiting=QueueSettings(max_waiting=5, max_wait_s=60.0))
        first = asyncio.ensure_future(spine.ask())
        second = asyncio.ensure_future(spine.ask())
        await asyncio.sleep(2)
        assert spine.gateway.queue.depth == 1
        first.cancel()
        await asyncio.sleep(0)
        second.cancel()
        await asyncio.gather(first, second, return_exceptions=True)
        assert (spine.gateway.queue.depth, spine.health.breaker(make_endpoint("a")).in_flight) == (0, 0)
        assert (await spine.ask()).status == 200

    run(story())
