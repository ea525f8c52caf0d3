"""The rows of the requests under way, at each stage of a request."""

from __future__ import annotations

import asyncio

from octoroute.domain.price import Price
from octoroute.gateway.gateway import QueueSettings
from octoroute.gateway.live_view import LiveAttempt, live_view
from tests.support.fake import chunk
from tests.support.spine import FakeAnswer, Spine, make_endpoint
from tests.support.virtual import run, settle


def view(spine, limit=100):
    return live_view(spine.gateway, 1000.0, limit)


def test_a_request_that_waits_for_its_second_endpoint_says_what_the_first_said():
    async def story():
        endpoints = [
            make_endpoint("a", priority=2),
            make_endpoint("b", provider="p", priority=1, price=Price(input=1.0, output=1.0)),
        ]
        spine = Spine(endpoints, {"a": "500", "b": "hang"}, max_attempts=3)
        task = asyncio.ensure_future(spine.ask(spine.request("auto"), key="team"))
        await settle()
        (row,) = view(spine).requests
        assert (row.id, row.key, row.model, row.dialect, row.stream) == ("r1", "team", "auto", "openai", False)
        assert (row.state, row.tier, row.strategy, row.why) == ("waiting", "balanced", "rule", "no_rule")
        assert (row.endpoint, row.provider, row.attempt, row.max_attempts) == ("b", "p", 2, 3)
        assert row.failed == (LiveAttempt("a", "upstream_failed", None),)
        assert (row.first_token_s, row.output_tokens, row.tokens_per_second, row.estimated) == (None, 0, None, True)
        assert row.cost_usd is not None
        assert row.started_at == 2000.0
        task.cancel()
        await asyncio.wait([task])
        assert view(spine).requests == ()

    run(story())


def test_a_stream_shows_its_first_token_its_rate_and_what_it_costs_so_far():
    async def story():
        spine = Spine([make_endpoint("a", price=Price(input=1.0, output=10.0))], delay_s=lambda _: 0.5)
        spine.transport._answer = lambda how, model, stream: FakeAnswer(
            spine.transport,
            200,
            {"content-type": "text/event-stream"},
            [chunk({"role": "assistant", "content": "x" * 400}), chunk({"content": "y" * 400}), b"HANG"],
        )
        task = asyncio.ensure_future(spine.ask(spine.request(stream=True)))
        await asyncio.sleep(2.5)
        (row,) = view(spine).requests
        assert (row.state, row.attempt, row.failed, row.max_attempts) == ("answering", 1, (), None)
        assert (row.first_token_s, row.output_tokens, row.tokens_per_second, row.estimated) == (0.5, 200, 100.0, True)
        assert 0.002 <= row.cost_usd < 0.0021
        task.cancel()
        await asyncio.wait([task])

    run(story())


def test_those_in_the_queue_have_positions_in_the_order_of_their_turns():
    async def story():
        spine = Spine(
            [make_endpoint("a", max_in_flight=1)],
            delay_s=lambda _: 1.0,
            waiting=QueueSettings(max_waiting=10, max_wait_s=60),
        )
        tasks = [asyncio.ensure_future(spine.ask(key=key)) for key in ("x", "x", "x", "y")]
        await settle()
        found = view(spine)
        assert (found.in_flight, found.queued) == (4, 3)
        assert [(row.id, row.state, row.queue_position) for row in found.requests] == [
            ("r4", "queued", 2),
            ("r3", "queued", 3),
            ("r2", "queued", 1),
            ("r1", "waiting", None),
        ]
        assert [row.id for row in view(spine, limit=2).requests] == ["r4", "r3"]
        await asyncio.gather(*tasks)

    run(story())


def test_a_request_that_is_being_decided_has_no_tier_yet():
    async def story():
        spine, gate = Spine([make_endpoint("a")]), asyncio.Event()
        route = spine.router.route

        async def slow(facts):
            await gate.wait()
            return await route(facts)

        spine.router.route = slow
        task = asyncio.ensure_future(spine.ask(spine.request()))
        await settle()
        (row,) = view(spine).requests
        assert (row.state, row.tier, row.endpoint, row.attempt, row.cost_usd) == ("deciding", None, None, 0, None)
        gate.set()
        assert (await task).status == 200

    run(story())
