"""A request's way, told while it goes: the events are the attempts, in their order."""

from __future__ import annotations

import pytest
import structlog
from structlog.testing import capture_logs

from tests.support.fake import by_wish, error
from tests.support.live_gateway import Clock, endpoint


@pytest.fixture
def events():
    structlog.reset_defaults()
    with capture_logs() as captured:
        yield captured


def of(events, prefix):
    return [(event["event"], event["endpoint"]) for event in events if event["event"].startswith(prefix)]


async def test_a20_selected_model_fallback_provider_fallback(make_gateway, make_fake, events):
    one, three = await make_fake(), await make_fake()
    one.then(error(500), error(503))
    gateway = await make_gateway(
        [
            endpoint(one, id="p/1", provider="p", priority=3),
            endpoint(one, id="p/2", provider="p", priority=2),
            endpoint(three, id="q/1", provider="q", priority=1),
        ],
        providers={"p": {"kind": "openai"}, "q": {"kind": "openai"}},
    )
    answer = await gateway.ask(headers={"x-request-id": "mine"})
    assert answer.headers["x-octoroute-attempts"] == "3"
    told = [event for event in events if event["event"].startswith("route.")]
    assert of(events, "route.") == [("route.selected", "p/1"), ("route.model_fallback", "p/2"), ("route.provider_fallback", "q/1")]
    assert {event["request_id"] for event in told} == {"mine"}
    assert [event["log_level"] for event in told] == ["debug", "info", "info"]
    assert [event.get("error") for event in told] == [None, "upstream_failed", "upstream_overloaded"]
    request = next(event for event in events if event["event"] == "request")
    assert [row["endpoint"] for row in request["attempts"]] == [event["endpoint"] for event in told]


async def test_a20_asked_again_is_told_so(make_gateway, fake, events):
    fake.then(error(500)).always(by_wish)
    gateway = await make_gateway([endpoint(fake, id="a")])
    await gateway.ask()
    assert of(events, "route.") == [("route.selected", "a"), ("route.retried", "a")]


async def test_a20_the_breaker_opens_half_opens_and_closes_once_each(make_gateway, fake, events):
    clock = Clock()
    fake.then(error(500), error(500), error(500)).always(by_wish)
    gateway = await make_gateway([endpoint(fake, id="a")], retry={"max_attempts": 1}, parts={"clock": clock})
    for at in range(5):
        await gateway.ask(headers={"x-request-id": f"r{at}"})
    clock.pass_(31)
    await gateway.ask(headers={"x-request-id": "r9"})
    await gateway.ask(headers={"x-request-id": "r10"})
    told = [(event["event"], event["request_id"], event["log_level"]) for event in events if event["event"].startswith("breaker.")]
    assert told == [("breaker.opened", "r2", "warning"), ("breaker.half_open", "r9", "info"), ("breaker.closed", "r9", "info")]


async def test_a20_a_failed_trial_opens_it_again(make_gateway, fake, events):
    clock = Clock()
    fake.always(error(401))
    gateway = await make_gateway([endpoint(fake, id="a")], parts={"clock": clock})
    await gateway.ask()
    clock.pass_(31)
    await gateway.ask()
    assert [event["event"] for event in events if event["event"].startswith("breaker.")] == [
        "breaker.opened",
        "breaker.half_open",
        "breaker.opened",
    ]
