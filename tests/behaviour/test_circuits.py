"""The life of a circuit as clients see it, with exact numbers and a clock that stands still."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from tests.support.fake import completion, error, hang, stream, tokens, when, whole
from tests.support.live_gateway import Clock, endpoint, question

THRESHOLD, RECOVERY = 3, 30


@pytest.fixture
async def lone(make_gateway, fake):
    clock = Clock()
    gateway = await make_gateway(
        [endpoint(fake, id="a")],
        health={"failure_threshold": THRESHOLD, "recovery_seconds": RECOVERY},
        retry={"max_attempts": 1},
        parts={"clock": clock},
    )
    return gateway, fake, clock


async def state(gateway, endpoint_id: str = "a"):
    row = await gateway.row(endpoint_id)
    return row["circuit"], row["consecutive_failures"]


async def open_it(gateway, fake) -> None:
    for _ in range(THRESHOLD):
        fake.then(error(500))
        assert (await gateway.ask()).status_code == 502
    assert await state(gateway) == ("open", THRESHOLD)


async def test_two_failures_are_healthy_the_third_opens_one_success_resets(lone):
    """v1 §10.3, 27: 2 failures still healthy, 3 not, partial failures reset."""
    gateway, fake, _ = lone
    fake.then(error(500), error(500))
    for failures in (1, 2):
        await gateway.ask()
        assert await state(gateway) == ("closed", failures)
        assert (await gateway.row("a"))["healthy"] is True
    assert (await gateway.ask()).status_code == 200
    assert await state(gateway) == ("closed", 0)
    await open_it(gateway, fake)
    assert (await gateway.row("a"))["healthy"] is False


async def test_an_open_circuit_is_not_asked_until_it_has_recovered(lone):
    gateway, fake, clock = lone
    await open_it(gateway, fake)
    for _ in range(5):
        assert (await gateway.ask()).status_code == 503
    clock.pass_(0.999)
    response = await gateway.ask()
    assert (response.status_code, response.headers["retry-after"]) == (503, "1")
    assert len(fake.requests) == THRESHOLD
    clock.pass_(0.001)
    assert await state(gateway) == ("half_open", THRESHOLD)
    assert (await gateway.ask()).status_code == 200
    assert await state(gateway) == ("closed", 0)


@pytest.mark.parametrize("streamed", [False, True])
async def test_half_open_gets_exactly_one_of_ten_and_the_rest_go_elsewhere(make_fake, make_gateway, streamed):
    clock, go = Clock(), asyncio.Event()
    first, second = await make_fake(), await make_fake()
    answer = stream(tokens()) if streamed else whole(completion())
    second.always(answer)
    gateway = await make_gateway(
        [endpoint(first, id="1", priority=9), endpoint(second, id="2")],
        health={"failure_threshold": 1, "recovery_seconds": RECOVERY},
        parts={"clock": clock},
    )
    first.then(error(500)).always(when(go, answer))
    await gateway.ask(question(stream=streamed))
    clock.pass_(RECOVERY)
    asking = [asyncio.ensure_future(gateway.ask(question(stream=streamed))) for _ in range(10)]
    await first.asked(2)
    done, pending = await asyncio.wait(
        asking, timeout=5, return_when=asyncio.ALL_COMPLETED if len(asking) == 9 else asyncio.FIRST_COMPLETED
    )
    while len(done) < 9:
        done, pending = await asyncio.wait(asking, timeout=5, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.sleep(0.005)
    assert {task.result().headers["x-octoroute-endpoint"] for task in done} == {"2"}
    assert len(first.requests) == 2
    go.set()
    assert (await next(iter(pending))).headers["x-octoroute-endpoint"] == "1"
    assert await state(gateway, "1") == ("closed", 0)
    assert (await gateway.ask(question(stream=streamed))).headers["x-octoroute-endpoint"] == "1"


async def test_a_half_open_endpoint_that_is_alone_lets_one_through_and_turns_the_rest_away(lone):
    gateway, fake, clock = lone
    go = asyncio.Event()
    await open_it(gateway, fake)
    clock.pass_(RECOVERY)
    fake.then(when(go, whole(completion())))
    asking = [asyncio.ensure_future(gateway.ask()) for _ in range(10)]
    await fake.asked(THRESHOLD + 1)
    done, _ = await asyncio.wait(asking, timeout=0.3)
    go.set()
    answers = Counter([(await task).status_code for task in asking])
    assert answers == {200: 1, 503: 9}
    assert all(int(task.result().headers["retry-after"]) >= 1 for task in done)


@pytest.mark.parametrize("failing", [error(500), stream([b'data: {"error": {"message": "no"}}\n\n'])], ids=["status", "error event"])  # fmt: skip
async def test_a_half_open_trial_that_fails_opens_for_twice_as_long(lone, failing):
    gateway, fake, clock = lone
    await open_it(gateway, fake)
    clock.pass_(RECOVERY + 100)
    fake.then(failing)
    await gateway.ask(question(stream=True))
    assert await state(gateway) == ("open", THRESHOLD + 1)
    clock.pass_(1.9)
    assert (await gateway.ask()).status_code == 503
    clock.pass_(0.1)
    assert (await gateway.ask()).status_code == 200


async def test_a_half_open_trial_whose_client_leaves_is_neither_success_nor_failure(lone):
    gateway, fake, clock = lone
    await open_it(gateway, fake)
    clock.pass_(RECOVERY)
    fake.then(hang)
    asking = asyncio.ensure_future(gateway.ask())
    await fake.asked(THRESHOLD + 1)
    await asyncio.sleep(0.15)
    asking.cancel()
    await gateway.quiet()
    assert await state(gateway) == ("half_open", THRESHOLD)
    assert (await gateway.ask()).status_code == 200


async def test_a_refused_trial_leaves_it_half_open_for_the_next(lone):
    gateway, fake, clock = lone
    await open_it(gateway, fake)
    clock.pass_(RECOVERY)
    fake.then(error(400))
    assert (await gateway.ask()).status_code == 400
    assert (await gateway.ask()).status_code == 200
    assert await state(gateway) == ("closed", 0)


async def test_a_trial_stream_closes_with_its_first_event_but_one_more_failure_opens_again(lone):
    gateway, fake, clock = lone
    await open_it(gateway, fake)
    clock.pass_(RECOVERY)
    fake.then(stream(tokens()[:2], end="hang"))
    async with gateway.stream() as response:
        assert response.status_code == 200
        assert (await state(gateway))[0] == "closed"
        fake.then(error(500))
        assert (await gateway.ask()).status_code == 502
        assert (await state(gateway))[0] == "open"


async def test_f3_a_good_probe_closes_nothing_that_completions_opened(lone):
    gateway, fake, _ = lone
    await open_it(gateway, fake)
    await gateway.app.runtime.health_check.round()
    assert fake.probes
    assert await state(gateway) == ("open", THRESHOLD)
    assert (await gateway.ask()).status_code == 503


async def test_a_good_probe_closes_what_a_dead_connection_opened(lone):
    gateway, fake, _ = lone
    port = fake.port
    await fake.kill()
    for _ in range(THRESHOLD):
        assert (await gateway.ask()).status_code == 502
    assert await state(gateway) == ("open", THRESHOLD)
    fake.port = port
    await fake.start()
    await gateway.app.runtime.health_check.round()
    assert await state(gateway) == ("closed", THRESHOLD), "the failures stay counted"
    assert (await gateway.ask()).status_code == 200
    assert await state(gateway) == ("closed", 0)


async def test_replicas_of_one_name_fail_independently(make_fake, make_gateway):
    """v1 weakness 15: one failure excluded all replicas of a name."""
    good, bad = await make_fake("good"), await make_fake("bad")
    bad.always(error(500))
    gateway = await make_gateway([endpoint(good, "same"), endpoint(bad, "same")])
    rows = (await gateway.get("/models")).json()["models"]
    assert len({row["id"] for row in rows}) == 2
    for _ in range(30):
        assert (await gateway.ask(question(model="same"))).status_code == 200
    by_url = {row["endpoint"]: row for row in (await gateway.get("/models")).json()["models"]}
    assert (by_url[good.url]["circuit"], by_url[good.url]["consecutive_failures"]) == ("closed", 0)
    assert (by_url[bad.url]["circuit"], by_url[bad.url]["consecutive_failures"]) == ("open", 3)
    assert len(bad.requests) == 3


async def test_ten_failures_at_once_are_ten_and_one_success_heals(lone):
    """v1 §10.8-11: concurrent marks never corrupt the state."""
    gateway, fake, _ = lone
    go = asyncio.Event()
    for _ in range(10):
        fake.then(when(go, error(500)))
    fake.then(when(go, whole(completion())))
    asking = [asyncio.ensure_future(gateway.ask()) for _ in range(10)]
    await fake.asked(10)
    late = asyncio.ensure_future(gateway.ask())
    await fake.asked(11)
    go.set()
    assert {(await task).status_code for task in asking} == {502}
    assert (await late).status_code == 200
    assert (await state(gateway))[1] in {0, *range(1, 11)}
    fake.always(error(500))
    if (await state(gateway))[0] == "closed":
        for _ in range(THRESHOLD):
            await gateway.ask()
        assert (await state(gateway))[0] == "open"


async def test_a_priority_is_left_only_when_all_of_it_is_out(make_fake, make_gateway):
    """v1 §10.39-40: all up → only the highest; two of the highest down → the next; all down → none."""
    high, high_too, low = [await make_fake(name) for name in ("high", "high-too", "low")]
    gateway = await make_gateway(
        [endpoint(high, id="h1", priority=3), endpoint(high_too, id="h2", priority=3), endpoint(low, id="low", priority=1)],
        health={"failure_threshold": 1},
    )
    assert {(await gateway.ask()).headers["x-octoroute-endpoint"] for _ in range(20)} == {"h1", "h2"}
    high.always(error(500))
    assert {(await gateway.ask()).headers["x-octoroute-endpoint"] for _ in range(20)} == {"h2"}
    high_too.always(error(500))
    assert {(await gateway.ask()).headers["x-octoroute-endpoint"] for _ in range(20)} == {"low"}
    low.always(error(500))
    assert (await gateway.ask()).status_code == 502
    assert (await gateway.ask()).status_code == 503


async def test_auto_moves_on_to_another_tier_when_its_own_is_out_but_a_named_tier_is_what_was_asked_for(make_fake, make_gateway):
    small, large = await make_fake(), await make_fake()
    gateway = await make_gateway(
        [endpoint(small, "s", id="s")], [], [endpoint(large, "l", id="l")], health={"failure_threshold": 1}
    )
    small.always(error(500))
    assert (await gateway.ask(question("hi", model="fast"))).status_code == 502
    assert (await gateway.ask(question("hi", model="fast"))).status_code == 503
    response = await gateway.ask(question("hi"))
    assert (response.status_code, response.headers["x-octoroute-endpoint"]) == (200, "l")


async def test_weights_of_nine_to_one_show_as_nine_to_one(make_fake, make_gateway):
    heavy, light = await make_fake(), await make_fake()
    gateway = await make_gateway(
        [endpoint(heavy, weight=9.0), endpoint(light, weight=1.0)], parts={"chance": __import__("random").Random(7).random}
    )
    for _ in range(10):
        await asyncio.gather(*[gateway.ask() for _ in range(60)])
    assert len(heavy.requests) + len(light.requests) == 600
    assert 35 <= len(light.requests) <= 87  # 60 expected, four standard deviations either way
