"""Laws of the cascade, whatever the two tiers do and whenever the client leaves; and its bounds, on a virtual clock."""

from __future__ import annotations

import asyncio

import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st

from octoroute.domain.decision import Decision
from octoroute.domain.endpoint import Tier
from octoroute.domain.outcome import Ending
from octoroute.domain.price import Price
from octoroute.domain.request import Facts
from octoroute.gateway.cascade import Cascade
from octoroute.routing.difficulty.model import load
from octoroute.routing.strategies.base import CascadeOptions
from octoroute.routing.strategies.cascade import TRIED
from tests.support.fake import chunk, tokens
from tests.support.spine import BEHAVIOURS, Spine, make_endpoint
from tests.support.virtual import run, settle

SCORER = load()
PRICE = Price(input=1.0, output=2.0)


class Cheap:
    async def route(self, facts: Facts) -> Decision:
        return Decision(tier=Tier.FAST, by="learned", why=TRIED, confidence=0.2, then=Tier.DEEP)


def spine(small, big, *, escalate, delays=(0.0, 0.0), **options):
    endpoints = [make_endpoint("small", tier=Tier.FAST, price=PRICE), make_endpoint("big", tier=Tier.DEEP, price=PRICE)]
    made = Spine(
        endpoints,
        {"small": small, "big": big},
        delay_s=lambda model: delays[model == "big"],
        max_attempts=2,
        cascade=Cascade(CascadeOptions(escalate_above=0.0 if escalate else 1.0, **options), SCORER),
    )
    made.gateway.settings = type(made.gateway.settings)(
        **{name: getattr(made.gateway.settings, name) for name in made.gateway.settings.__struct_fields__} | {"router": Cheap()}
    )
    return made


def stream_of(model):
    return b"".join([chunk({"role": "assistant", "content": f"hello from {model}"}), *tokens(["more"])])


def quiet(made):
    return (
        all(made.health.breaker(endpoint).in_flight == 0 for endpoint in made.gateway.settings.endpoints)
        and made.transport.open == 0
    )


@settings(max_examples=150)
@given(
    small=st.sampled_from(BEHAVIOURS),
    big=st.sampled_from(BEHAVIOURS),
    escalate=st.booleans(),
    stream=st.booleans(),
    leaves_after=st.none() | st.sampled_from([0.0, 0.5, 1.5, 2.5, 11.0]),
    hold_characters=st.sampled_from([0, 5, 20_000]),
)
def test_one_answer_whole_and_from_one_model(small, big, escalate, stream, leaves_after, hold_characters):
    async def scenario():
        made = spine(small, big, escalate=escalate, delays=(1.0, 1.0), hold_characters=hold_characters)
        request = made.request(stream=stream)
        asking = asyncio.ensure_future(made.ask(request))
        if leaves_after is not None:
            await asyncio.sleep(leaves_after)
            asking.cancel()
        told = (await asyncio.gather(asking, return_exceptions=True))[0]
        await settle()
        outcome = made.book.of(request.id)  # exactly one
        assert len(made.book.outcomes) == 1
        assert quiet(made)
        assert all(attempt.rejected is None or attempt.error is None for attempt in outcome.attempts)
        if isinstance(told, BaseException):
            assert isinstance(told, asyncio.CancelledError)
            assert outcome.ending is Ending.ABANDONED
            return
        if told.status != 200:
            return
        if not stream:
            assert sum(f"hello from {model}".encode() in told.body for model in ("small", "big")) == 1
        else:
            whole = [stream_of(model) for model in ("small", "big")]
            assert told.body in whole or (outcome.ending is Ending.BROKEN and any(told.body.startswith(w[:100]) for w in whole))
        answered = outcome.endpoint.id
        assert f"hello from {answered}".encode() in told.body
        if small == "ok" and escalate and big == "ok" and not (stream and hold_characters < 20_000):
            assert (answered, outcome.cascade, outcome.check) == ("big", "escalated", "score")
            assert made.health.breaker(made.gateway.settings.endpoints[0]).failures == 0
        if small == "ok" and not escalate:
            assert (answered, outcome.cascade) == ("small", "kept")

    run(scenario())


def test_the_cost_is_that_of_both():
    async def scenario():
        made = spine("ok", "ok", escalate=True)
        outcome = (await made.ask()).outcome
        first, second = outcome.attempts
        assert (first.endpoint.id, first.rejected, second.endpoint.id, second.rejected) == ("small", "score", "big", None)
        assert first.cost_micros == second.cost_micros == 13
        assert outcome.cost_micros == 26
        assert outcome.usage == second.usage

    run(scenario())


def test_an_escalation_is_no_fallback():
    async def scenario():
        with structlog.testing.capture_logs() as events:
            made = spine("ok", "ok", escalate=True)
            await made.ask()
        told = [event for event in events if event["event"].startswith("route.") and event["event"] != "route.selected"]
        assert [(event["event"], event["endpoint"], event["error"]) for event in told] == [("route.escalated", "big", "score")]

    run(scenario())


def test_a_cheap_answer_that_fell_back_is_paid_for_once():
    async def scenario():
        made = spine("ok", "500", escalate=True)
        outcome = (await made.ask()).outcome
        assert (outcome.cascade, outcome.endpoint.id, outcome.cost_micros) == ("fell_back", "small", 13)
        assert [attempt.rejected for attempt in outcome.attempts] == [None] * len(outcome.attempts)

    run(scenario())


def test_a_silent_stream_is_held_for_so_long_and_no_longer():
    async def scenario():
        made = spine("ok", "ok", escalate=True, hold_s=4.0)
        original = made.transport._answer

        def silent(how, model, stream):
            answer = original(how, model, stream)
            if model == "small":
                answer._pieces.insert(1, b"HANG")
            return answer

        made.transport._answer = silent
        since = asyncio.get_running_loop().time()
        reply = await made.gateway.answer(made.request(stream=True))
        assert asyncio.get_running_loop().time() - since == pytest.approx(4.0)
        assert reply.endpoint.id == "small"
        reply.close()
        assert quiet(made)

    run(scenario())
