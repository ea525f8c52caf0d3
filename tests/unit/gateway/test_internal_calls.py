"""The gateway's own requests: they take the path of every request, and need no capacity to check an endpoint."""

from __future__ import annotations

import asyncio
import itertools
import json

import pytest

from octoroute.domain.conversation import Conversation, Role, Text, Turn
from octoroute.domain.endpoint import Tier
from octoroute.domain.outcome import Ending
from octoroute.domain.request import Facts
from octoroute.errors import Exhausted, TooSlow, Unreachable, UpstreamRejected
from octoroute.gateway.internal_calls import InternalCalls, RoutingModel
from tests.support.spine import Spine, make_endpoint
from tests.support.virtual import run

SCHEMA = {"type": "object", "properties": {"tier": {"type": "string"}}}
QUESTION = Conversation(turns=(Turn(Role.USER, (Text("hello"),)),), max_tokens=5)


def calls(spine) -> InternalCalls:
    ids = itertools.count(1)
    return InternalCalls(lambda: spine.gateway, lambda: f"own{next(ids)}")


def test_a_tier_answers_in_text_and_its_usage_is_known():
    async def story():
        spine = Spine([make_endpoint("a", tier=Tier.FAST), make_endpoint("b", tier=Tier.DEEP)])
        answer = await calls(spine).ask_tier(Tier.DEEP, QUESTION, Facts())
        assert (answer.text, answer.endpoint.id) == ("hello from b", "b")
        assert answer.usage is not None
        outcome = spine.book.of("own1")
        assert (outcome.dialect, outcome.ending, outcome.endpoint.id) == ("routing", Ending.ANSWERED, "b")
        assert spine.health.breaker(answer.endpoint).in_flight == 0

    run(story())


def test_a_tier_that_fails_raises():
    async def story():
        spine = Spine([make_endpoint("a", tier=Tier.FAST)], {"a": "500"})
        with pytest.raises(Exhausted):
            await calls(spine).ask_tier(Tier.FAST, QUESTION, Facts())

    run(story())


def test_a_check_reaches_an_endpoint_whose_circuit_is_open_and_closes_it():
    async def story():
        fault = {"a": "500"}
        spine = Spine([make_endpoint("a")], lambda model, _: fault.get(model, "ok"), failure_threshold=1)
        (endpoint,) = spine.gateway.settings.endpoints
        failed = await calls(spine).check(endpoint)
        assert (failed.endpoint, failed.error is None) == (endpoint, False)
        assert not spine.health.available(endpoint)
        fault.clear()
        assert (await calls(spine).check(endpoint)).error is None
        assert spine.health.available(endpoint)
        assert len(spine.book.outcomes) == 2
        assert all(outcome.decision.why == "an operator tests this endpoint" for outcome in spine.book.outcomes)

    run(story())


def test_checks_stop_at_the_first_endpoint_that_answers():
    async def story():
        endpoints = [make_endpoint(name) for name in "abc"]
        spine = Spine(endpoints, {"a": "unreachable"})
        checks = await calls(spine).check_until_answered(endpoints)
        assert [(check.endpoint.id, type(check.error)) for check in checks] == [("a", Unreachable), ("b", type(None))]
        assert await calls(spine).check_until_answered([]) == []

    run(story())


def test_a_client_that_leaves_during_a_check_leaves_nothing_behind():
    async def story():
        spine = Spine([make_endpoint("a")], {"a": "hang"})
        (endpoint,) = spine.gateway.settings.endpoints
        task = asyncio.ensure_future(calls(spine).check(endpoint))
        await asyncio.sleep(1)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert (spine.health.breaker(endpoint).in_flight, spine.transport.open) == (0, 0)
        assert [outcome.ending for outcome in spine.book.outcomes] == [Ending.ABANDONED]

    run(story())


def test_a_server_that_rejects_structured_output_is_asked_without_it_from_then_on():
    async def story():
        formats = []

        def behave(model, body):
            formats.append("response_format" in body)
            return "400" if "response_format" in body else "ok"

        spine = Spine([make_endpoint("a", tier=Tier.FAST)], behave)
        model = RoutingModel(calls(spine), Tier.FAST, 5.0)
        assert await model("system", "question", SCHEMA) == "hello from a"
        assert await model("system", "question", SCHEMA) == "hello from a"
        assert formats == [True, False, False]

    run(story())


def test_a_rejection_without_structured_output_is_raised():
    async def story():
        spine = Spine([make_endpoint("a", tier=Tier.FAST)], {"a": "400"})
        with pytest.raises(UpstreamRejected):
            await RoutingModel(calls(spine), Tier.FAST, 5.0)("system", "question", SCHEMA)

    run(story())


def test_the_question_is_deterministic_and_limited():
    async def story():
        bodies = []

        def behave(model, body):
            bodies.append(body)
            return "ok"

        spine = Spine([make_endpoint("a", tier=Tier.FAST)], behave)
        await RoutingModel(calls(spine), Tier.FAST, 5.0)("the system", "the question", SCHEMA)
        (body,) = bodies
        assert body["temperature"] == 0
        assert 256 in {body.get("max_tokens"), body.get("max_completion_tokens")}
        assert "the system" in json.dumps(body)
        assert body["response_format"]["json_schema"]["schema"]["properties"] == SCHEMA["properties"]

    run(story())


def test_the_routing_model_has_time_for_one_retry_and_no_more():
    async def story():
        spine = Spine(
            [make_endpoint("a", tier=Tier.FAST), make_endpoint("b", tier=Tier.FAST), make_endpoint("c", tier=Tier.FAST)],
            lambda *_: "hang",
        )
        loop = asyncio.get_running_loop()
        began = loop.time()
        with pytest.raises(TooSlow, match="within 4 s"):
            await RoutingModel(calls(spine), Tier.FAST, 2.0)("system", "question", SCHEMA)
        assert loop.time() - began == pytest.approx(4.0)
        assert len(spine.transport.asked) == 2

    run(story())
