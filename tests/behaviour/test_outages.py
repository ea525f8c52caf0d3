"""Endpoints that die, stall, and come back under load: no client sees an error."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from tests.support.fake import by_wish, completion, hang, slowly, stream, tokens, whole
from tests.support.live_gateway import endpoint, question


async def at_once(exchange):
    wished = exchange.seen.json.get("stream")
    await (stream([b"".join(tokens())]) if wished else whole(completion("one two three")))(exchange)


async def load(gateway, until_s: asyncio.Event, clients: int = 32) -> Counter:
    """`clients` that ask one question after another, every other one streamed; what they got."""
    got: Counter = Counter()

    async def client(number: int) -> None:
        while not until_s.is_set():
            if number % 2:
                response, data = await gateway.streamed()
                fine = response.status_code == 200 and data.endswith(b"data: [DONE]\n\n") and b'"error"' not in data
            else:
                response = await gateway.ask()
                fine = response.status_code == 200 and response.json()["choices"][0]["message"]["content"] == "one two three"
            got["fine" if fine else f"{response.status_code} {response.headers.get('x-octoroute-endpoint')}"] += 1

    await asyncio.gather(*[client(number) for number in range(clients)])
    return got


@pytest.fixture
async def three(make_fake, make_gateway):
    fakes = [await make_fake(name) for name in "abc"]
    for fake in fakes:
        fake.always(slowly(by_wish, 0.01))
    gateway = await make_gateway(
        [endpoint(fake, id=fake.name) for fake in fakes],
        health={"failure_threshold": 3, "recovery_seconds": 0.3},
        server={"request_timeout_seconds": 1},
    )
    return gateway, fakes


async def test_kill_one_of_three_under_32_requests_and_bring_it_back(three):
    gateway, (a, *_) = three
    a.always(at_once)  # no answer has begun and not ended when it dies: those cannot be saved, and are told as broken
    over = asyncio.Event()
    clients = asyncio.ensure_future(load(gateway, over))
    await a.asked(20)
    await a.kill()
    async with asyncio.timeout(10):
        while (await gateway.row("a"))["healthy"]:
            await asyncio.sleep(0.05)
    asked = len(a.requests)
    await a.start()
    await a.asked(asked + 20)
    over.set()
    got = await clients
    assert set(got) == {"fine"}, got
    assert got["fine"] > 100
    assert (await gateway.row("a"))["circuit"] == "closed"
    assert gateway.metric("octoroute_outcomes_total", outcome="answered") == got["fine"]


async def test_pause_one_of_three_the_others_take_over_within_the_first_event_timeout(three):
    gateway, (a, b, c) = three
    over = asyncio.Event()
    clients = asyncio.ensure_future(load(gateway, over))
    await a.asked(10)
    a.always(hang)
    paused_at = len(a.requests)
    await a.asked(paused_at + 3)
    while (await gateway.row("a"))["circuit"] != "open":
        await asyncio.sleep(0.02)
    before = len(b.requests) + len(c.requests)
    await b.asked(len(b.requests) + 20)
    assert len(b.requests) + len(c.requests) > before
    a.always(by_wish)
    await a.asked(len(a.requests) + 10)
    over.set()
    got = await clients
    assert set(got) == {"fine"}, got
    assert gateway.metric("octoroute_attempts_total", endpoint="a", error="upstream_timeout") >= 3


async def test_two_of_three_are_dead_from_the_start(three):
    gateway, (a, b, c) = three
    await a.kill()
    await b.kill()
    answers = await asyncio.gather(*[gateway.ask(question()) for _ in range(32)])
    assert {answer.status_code for answer in answers} == {200}
    assert {answer.headers["x-octoroute-endpoint"] for answer in answers} == {"c"}
    assert len(c.requests) == 32
    assert gateway.metric("octoroute_attempts_total", error="upstream_unreachable") >= 2
    assert gateway.metric("octoroute_fallbacks_total") >= 2
