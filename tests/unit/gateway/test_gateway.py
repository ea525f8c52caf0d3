"""A request is settled exactly once, whatever fails and whenever the client leaves; and what was opened is closed."""

from __future__ import annotations

import asyncio
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from octoroute import dialects
from octoroute.balancing.health import HealthRegistry
from octoroute.balancing.queue import AdmissionQueue
from octoroute.dialects.request.body import RequestBody
from octoroute.domain.decision import Decision
from octoroute.domain.endpoint import Tier
from octoroute.domain.outcome import Ending
from octoroute.domain.request import Facts
from octoroute.errors import BadUpstreamResponse, OctorouteError, Throttled, TooSlow, Unreachable
from octoroute.gateway.admission import QueueGrant
from octoroute.gateway.gateway import Gateway, RetryPolicy, Settings
from octoroute.gateway.relay import Reply
from octoroute.upstream.client import UpstreamClient
from octoroute.upstream.providers import PROVIDERS
from tests.support.fake import DONE, chunk, completion, event
from tests.support.parts import endpoint, request
from tests.support.transport import Script, ScriptedTransport

RAW = b'{"model":"auto","messages":[{"role":"user","content":"hi"}],"stream":true}'
ONE, STOP, ERROR = chunk({"content": "one"}), chunk({}, "stop"), event({"error": {"message": "no"}})


class Always:
    async def route(self, facts: Facts) -> Decision:
        await asyncio.sleep(0)
        return Decision(tier=Tier.FAST, by="rule", why="always")


class Book:
    def __init__(self) -> None:
        self.outcomes = []

    def settle(self, outcome, request) -> None:
        self.outcomes.append(outcome)


def made(scripts, *, endpoints: int = 2, attempts: int = 3):
    now = [0.0]

    def clock() -> float:
        now[0] += 0.001
        return now[0]

    transport, book = ScriptedTransport(scripts), Book()
    ones = tuple(endpoint(str(n), first_event_timeout_s=30, idle_timeout_s=30) for n in range(endpoints))
    queue = AdmissionQueue(clock, QueueGrant.release)
    health = HealthRegistry(failure_threshold=2, recovery_s=0.01, clock=clock, wall=lambda: 0.0, on_capacity=queue.on_capacity)
    gateway = Gateway(
        settings=Settings(endpoints=ones, router=Always(), retry=RetryPolicy(max_attempts=attempts, base_s=0.0)),
        upstream=UpstreamClient(transport, PROVIDERS, dialects.outbound(clock)),
        health=health,
        queue=queue,
        sink=book,
        inbound=dialects.inbound(clock),
        clock=clock,
        random=random.Random(1).random,
    )
    return gateway, transport, book, health, ones


def asked(*, stream: bool = True):
    return request(stream=stream, body=RequestBody.parse(RAW))


async def take(gateway: Gateway, stream: bool, stop_after: int | None) -> str:
    """As the API does it; leaves after `stop_after` pieces."""
    try:
        reply: Reply = await gateway.answer(asked(stream=stream))
    except OctorouteError:
        return "error"
    try:
        if not stream:
            reply.delivered()
            return "whole"
        taken = 0
        async for _ in reply.pieces():
            taken += 1
            if stop_after is not None and taken > stop_after:
                return "left"
        return "streamed"
    finally:
        reply.close()
        reply.close()


pauses = st.integers(0, 3)
errors = st.sampled_from([Unreachable("x"), TooSlow("x"), Throttled("x", retry_after_s=1), BadUpstreamResponse("x")])
steps = st.lists(
    pauses | st.sampled_from([b": c\n\n", ONE, ONE[:8], ONE[8:], STOP, DONE, ERROR, b"data: {\n\n", "for ever"]) | errors,
    max_size=7,
)
heads = st.builds(Script, turns=pauses, head=errors)
streams = st.builds(Script, turns=pauses, steps=steps)
refusals = st.builds(Script, turns=pauses, status=st.sampled_from([400, 401, 429, 500, 503, 301]), steps=st.just([b"{}"]))
wholes = st.builds(
    Script,
    turns=pauses,
    content_type=st.just("application/json"),
    steps=st.sampled_from(
        [[str(completion()).replace("'", '"').replace("None", "null").encode()], [b"{}"], [b"nonsense"], [BadUpstreamResponse("x")]]
    ),
)


@settings(max_examples=400)
@given(
    st.lists(heads | streams | refusals | wholes, min_size=1, max_size=4),
    st.booleans(),
    st.none() | st.integers(0, 40),
    st.none() | st.integers(0, 3),
    st.integers(1, 3),
)
def test_settled_once_closed_and_released_under_any_interleaving(scripts, stream, leave_at, stop_after, endpoints):
    async def run():
        gateway, transport, book, health, ones = made(scripts, endpoints=endpoints)
        task = asyncio.ensure_future(take(gateway, stream, stop_after))
        for _ in range(leave_at if leave_at is not None else 400):
            await asyncio.sleep(0)
        if not task.done():
            task.cancel()
        (result,) = await asyncio.gather(task, return_exceptions=True)
        await asyncio.sleep(0)
        assert not isinstance(result, Exception), result
        return transport, book, health, ones, result

    transport, book, health, ones, result = asyncio.run(run())
    if result is None or isinstance(result, asyncio.CancelledError):
        assert len(book.outcomes) <= 1  # it may have been cancelled before it began
    else:
        assert len(book.outcomes) == 1
    assert all(answer.closed for answer in transport.answers)
    assert all(health.breaker(one).in_flight == 0 for one in ones)
    assert not any(health.breaker(one).trial_in_flight for one in ones)
    for outcome in book.outcomes:
        assert len(outcome.attempts) == len(transport.calls)
        expected = {
            "whole": {Ending.ANSWERED},
            "streamed": {Ending.ANSWERED, Ending.BROKEN},
            "error": {Ending.FAILED, Ending.REFUSED},
        }
        assert outcome.ending in expected.get(result, {Ending.ABANDONED, Ending.BROKEN, Ending.ANSWERED, Ending.FAILED})
        assert (outcome.endpoint is not None) == (bool(outcome.attempts) and outcome.attempts[-1].error is None)
        assert outcome.total_s >= 0


async def test_settling_twice_is_settling_once():
    gateway, transport, book, *_ = made([Script(steps=[ONE, STOP, DONE])])
    reply = await gateway.answer(asked())
    assert b"".join([piece async for piece in reply.pieces()]) == ONE + STOP + DONE
    reply.close()
    reply.close()
    reply._lifecycle.settle()
    assert [outcome.ending for outcome in book.outcomes] == [Ending.ANSWERED]
    assert transport.answers[0].closed


@pytest.mark.parametrize(
    ("steps", "ending", "status"),
    [
        ([ONE, STOP, DONE], Ending.ANSWERED, 200),
        ([ONE, BadUpstreamResponse("x")], Ending.BROKEN, 200),
        ([ONE, ERROR], Ending.BROKEN, 200),
        ([ONE], Ending.BROKEN, 200),
    ],
)
async def test_endings_of_a_stream(steps, ending, status):
    gateway, _, book, *_ = made([Script(steps=[part for step in steps for part in (step, 1)])])
    assert await take(gateway, True, None) == "streamed"
    assert (book.outcomes[0].ending, book.outcomes[0].status) == (ending, status)


async def test_a_client_that_leaves_before_the_first_event_has_its_attempt_told():
    gateway, _, book, *_ = made([Script(steps=["for ever"])])
    task = asyncio.ensure_future(take(gateway, True, None))
    for _ in range(20):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    (outcome,) = book.outcomes
    assert (outcome.ending, outcome.status, outcome.error) == (Ending.ABANDONED, 499, None)
    assert [attempt.error for attempt in outcome.attempts] == ["abandoned"]
