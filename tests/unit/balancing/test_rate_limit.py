"""A provider's limits (B9, X12): token buckets, what is charged, what is given back."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoroute.balancing.rate_limit import ProviderRateLimit, TokenBucket
from octoroute.domain.endpoint import ProviderLimits
from octoroute.domain.outcome import Usage
from tests.support.live_gateway import Clock
from tests.support.spine import Spine, make_endpoint
from tests.support.virtual import now, run

P, Q = make_endpoint("p", provider="p", priority=2), make_endpoint("q", provider="q")


def test_b9_x12_the_61st_request_in_a_minute_is_diverted():
    async def story():
        spine = Spine([P, Q], limits={"p": ProviderLimits(requests_per_minute=60)})
        assert [(await spine.ask()).asked[0] for _ in range(62)] == ["p"] * 60 + ["q"] * 2
        await asyncio.sleep(1)
        assert [(await spine.ask()).asked[0] for _ in range(2)] == ["p", "q"]

    run(story())


def test_b9_with_nowhere_else_to_go_it_is_429_with_the_time_to_wait():
    async def story():
        spine = Spine([P], limits={"p": ProviderLimits(requests_per_minute=2)})
        assert [(await spine.ask()).status for _ in range(3)] == [200, 200, 429]
        told = await spine.ask()
        assert (told.code, told.error.retry_after_s) == ("rate_limit_exceeded", 30)

    run(story())


def test_b9_a_provider_s_endpoints_share_its_limit():
    async def story():
        pair = [make_endpoint("a", provider="p"), make_endpoint("b", provider="p"), make_endpoint("c", provider="q", priority=0)]
        spine = Spine(pair, limits={"p": ProviderLimits(requests_per_minute=4)})
        assert [(await spine.ask()).asked[0] in {"a", "b"} for _ in range(6)] == [True] * 4 + [False] * 2

    run(story())


def test_b9_tokens_are_charged_by_estimate_and_settled_by_what_was_used():
    async def story():
        spine = Spine([P], limits={"p": ProviderLimits(tokens_per_minute=1100)})
        assert [(await spine.ask()).status for _ in range(3)] == [200, 200, 200], "501 estimated, 10 used"
        spine = Spine([P], limits={"p": ProviderLimits(tokens_per_minute=1100)}, delay_s=lambda _: 1.0)
        told = await asyncio.gather(*(spine.ask() for _ in range(3)))
        assert sorted(one.status for one in told) == [200, 200, 429], "until it is settled the estimate counts"

    run(story())


def test_b9_a_failed_attempt_gives_its_tokens_back_but_not_its_request():
    async def story():
        how = {"p": "500"}
        limits = {"p": ProviderLimits(tokens_per_minute=600, requests_per_minute=3)}
        spine = Spine([P], lambda model, _: how.get(model, "ok"), limits=limits, failure_threshold=99)
        assert (await spine.ask()).status == 502
        how.clear()
        assert [(await spine.ask()).status for _ in range(3)] == [200, 200, 429]

    run(story())


def test_b9_a_request_larger_than_the_minute_may_go_when_the_minute_is_full():
    async def story():
        spine = Spine([P], limits={"p": ProviderLimits(tokens_per_minute=100)})
        assert (await spine.ask()).status == 200

    run(story())


def test_b9_requests_at_the_same_time():
    async def story():
        spine = Spine([P, Q], limits={"p": ProviderLimits(max_in_flight=2)}, delay_s=lambda _: 1.0)
        told = await asyncio.gather(*(spine.ask() for _ in range(5)))
        assert sorted(one.asked[0] for one in told) == ["p", "p", "q", "q", "q"]
        assert (await spine.ask()).asked == ["p"]

    run(story())


def test_b9_an_upstream_429_rests_that_model_and_not_its_neighbours():
    """Vendors count by model: the neighbour often answers."""

    async def story():
        pair = [make_endpoint("a", provider="p", priority=2), make_endpoint("b", provider="p")]
        spine = Spine(pair, {"a": "429"}, order="priority")
        assert [(await spine.ask()).asked for _ in range(2)] == [["a", "b"], ["b"]]
        await asyncio.sleep(7)
        assert (await spine.ask()).asked == ["a", "b"]

    run(story())


def test_without_limits_a_full_endpoint_is_503_as_ever():
    async def story():
        spine = Spine([make_endpoint("a", max_in_flight=1)], delay_s=lambda _: 1.0)
        told = await asyncio.gather(spine.ask(), spine.ask())
        assert [(one.status, one.code) for one in told] == [(200, None), (503, "no_endpoint_available")]

    run(story())


@given(
    per_minute=st.integers(1, 1000),
    steps=st.lists(st.tuples(st.floats(0, 30, allow_nan=False), st.integers(1, 300)), max_size=60),
)
def test_b9_no_window_lets_through_more_than_a_full_bucket_and_its_refill(per_minute, steps):
    clock = Clock()
    bucket = TokenBucket(per_minute, clock)
    taken, since = 0.0, clock()
    for wait_s, wanted in steps:
        clock.pass_(wait_s)
        amount = min(wanted, per_minute)
        if bucket.has(amount):
            bucket.take(amount)
            taken += amount
        else:
            wait_needed = bucket.wait_s(amount)
            assert wait_needed > 0
            clock.pass_(wait_needed + 1e-6)
            assert bucket.has(amount), "the time it named is enough"
        assert taken <= per_minute + (clock() - since) * per_minute / 60 + 1e-6


@given(st.lists(st.tuples(st.integers(1, 500), st.one_of(st.none(), st.integers(0, 900))), max_size=30))
def test_b9_nothing_in_flight_is_forgotten(requests):
    allowance = ProviderRateLimit(ProviderLimits(max_in_flight=5, tokens_per_minute=1000), Clock())
    left = 1000
    for tokens, used in requests:
        allowance.take(tokens)
        allowance.settle(tokens, None if used is None else Usage(input_tokens=used - used // 3, output_tokens=used // 3))
        left -= tokens if used is None else used
    assert allowance.in_flight == 0
    assert allowance.wait_s(1000) == pytest.approx((1000 - left) * 0.06, abs=1e-6)


def test_the_clock_is_the_loop_s():
    async def story():
        before = now()
        await asyncio.sleep(3600)
        assert now() == before + 3600

    run(story())
