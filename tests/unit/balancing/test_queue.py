"""Waiting for a place (B28): first in first out within a client, in turn between clients, and nothing is left behind."""

import asyncio
from collections import Counter, deque

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from octoroute.balancing.queue import AdmissionQueue
from octoroute.domain.endpoint import ProviderLimits
from octoroute.gateway.gateway import QueueSettings
from tests.support.spine import Spine, make_endpoint
from tests.support.virtual import now, run, settle


class Places:
    """`free` places under one name, and a queue before them."""

    def __init__(self, free=0):
        self.free = free
        self.queue = AdmissionQueue(now, lambda _: self.give_back())
        self.served = []

    def offer(self):
        if not self.free:
            return None
        self.free -= 1
        return True

    def give_back(self):
        self.free += 1
        self.queue.on_capacity("place")

    async def one(self, client, name, max_wait_s=1e6):
        got = await self.queue.acquire(client, frozenset({"place"}), self.offer, lambda: None, max_wait_s=max_wait_s)
        self.served.append((client, name) if got else None)


steps = st.lists(st.one_of(st.tuples(st.sampled_from("abc"), st.booleans()), st.just("free"), st.just("leave")), max_size=40)


@settings(max_examples=300)
@given(steps)
def test_b28_fifo_within_a_client_and_in_turn_between_clients(script):
    """Against a model: lines by client, and a ring of clients."""

    async def story():
        places, tasks, ring, expected = Places(), {}, {}, []
        for number, step in enumerate(script):
            if step == "free":
                for client in list(ring):
                    name = ring[client].popleft()
                    line = ring.pop(client)
                    if line:
                        ring[client] = line
                    expected.append((client, name))
                    break
                else:
                    continue
                places.give_back()
            elif step == "leave":
                if not ring:
                    continue
                client = next(iter(ring))
                name = ring[client].pop()
                if not ring[client]:
                    del ring[client]
                tasks[name].cancel()
            else:
                client, _ = step
                ring.setdefault(client, deque()).append(number)
                tasks[number] = asyncio.ensure_future(places.one(client, number))
            await settle()
            assert places.queue.depth == sum(map(len, ring.values()))
        for task in tasks.values():
            task.cancel()
        await asyncio.gather(*tasks.values(), return_exceptions=True)
        assert places.served == expected
        assert (places.queue.depth, places.free) == (0, 0)

    run(story())


def test_b28_two_clients_are_served_alike_however_many_requests_each_sends():
    async def story():
        places = Places()
        tasks = [asyncio.ensure_future(places.one("loud", at)) for at in range(50)]
        await settle()
        tasks += [asyncio.ensure_future(places.one("quiet", at)) for at in range(5)]
        await settle()
        for _ in range(10):
            places.give_back()
            await settle()
        assert Counter(client for client, _ in places.served) == {"loud": 5, "quiet": 5}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    run(story())


def test_b28_a_place_that_comes_together_with_a_hang_up_goes_to_the_next():
    async def story():
        places = Places()
        first, second = asyncio.ensure_future(places.one("a", 1)), asyncio.ensure_future(places.one("a", 2))
        await settle()
        places.give_back()  # granted to the first, who has not run yet
        first.cancel()
        await settle()
        assert places.served == [("a", 2)]
        await asyncio.gather(first, second, return_exceptions=True)
        assert (places.free, places.queue.depth) == (0, 0)

    run(story())


def test_b28_what_goes_wrong_in_an_offer_is_the_waiters_and_the_next_is_served():
    async def story():
        places = Places()

        def broken():
            raise ZeroDivisionError

        bad = asyncio.ensure_future(places.queue.acquire("a", frozenset({"place"}), broken, lambda: None, max_wait_s=100))
        good = asyncio.ensure_future(places.one("a", 2))
        await settle()
        places.give_back()
        await good
        with pytest.raises(ZeroDivisionError):
            await bad
        assert (places.served, places.queue.depth) == ([("a", 2)], 0)

    run(story())


def test_b28_the_time_is_up_when_it_is_up():
    async def story():
        places, before = Places(), now()
        await places.one("a", 1, max_wait_s=5)
        assert (places.served, now() - before, places.queue.depth) == ([None], 5, 0)

    run(story())


# on the spine


def one_at_a_time(**more):
    return Spine([make_endpoint("a", max_in_flight=1)], delay_s=lambda _: 1.0, **more)


def test_b28_requests_wait_for_a_place_and_are_answered_in_order():
    async def story():
        spine, done = one_at_a_time(waiting=QueueSettings(max_waiting=10, max_wait_s=60)), []

        async def one(name):
            told = await spine.ask()
            done.append((name, told.status, now() - 1000))
            return told

        told = await asyncio.gather(*(one(at) for at in range(4)))
        assert done == [(0, 200, 1), (1, 200, 2), (2, 200, 3), (3, 200, 4)]
        assert [one.outcome.queued_s for one in told] == [None, 1, 2, 3]

    run(story())


def test_b28_overload_is_429_at_once_when_the_queue_is_full_and_after_the_wait():
    async def story():
        spine = one_at_a_time(waiting=QueueSettings(max_waiting=2, max_wait_s=1.5))
        before = now()

        async def one():
            told = await spine.ask()
            return told.status, told.code, now() - before, told.error and told.error.retry_after_s

        told = await asyncio.gather(*(one() for _ in range(4)))
        assert told == [
            (200, None, 1, None),
            (200, None, 2, None),
            (429, "rate_limit_exceeded", 1.5, 1.0),
            (429, "rate_limit_exceeded", 0, 1.0),
        ]

    run(story())


def test_b28_the_queue_is_off_unless_it_is_configured():
    async def story():
        spine = one_at_a_time()
        assert [one.status for one in await asyncio.gather(spine.ask(), spine.ask())] == [200, 503]

    run(story())


def test_b28_no_request_waits_for_an_open_circuit():
    async def story():
        spine = Spine([make_endpoint("a")], {"a": "401"}, waiting=QueueSettings(max_waiting=10, max_wait_s=60))
        await spine.ask()
        before = now()
        assert ((await spine.ask()).status, now()) == (503, before)

    run(story())


def test_b28_a_client_that_hangs_up_leaves_the_queue():
    async def story():
        spine = one_at_a_time(waiting=QueueSettings(max_waiting=10, max_wait_s=60))
        tasks = [asyncio.ensure_future(spine.ask()) for _ in range(3)]
        await settle()
        assert spine.gateway.queue.depth == 2
        tasks[1].cancel()
        await settle()
        assert spine.gateway.queue.depth == 1
        told = await asyncio.gather(*tasks, return_exceptions=True)
        assert [getattr(one, "status", None) for one in told] == [200, None, 200]
        assert now() == 1002
        endings = sorted(outcome.ending for outcome in spine.book.outcomes)
        assert endings == ["abandoned", "answered", "answered"]

    run(story())


def test_b28_time_alone_frees_a_place_too():
    async def story():
        spine = Spine(
            [make_endpoint("a", provider="p")],
            limits={"p": ProviderLimits(requests_per_minute=60)},
            waiting=QueueSettings(max_waiting=100, max_wait_s=30),
        )
        for _ in range(60):
            await spine.ask()
        ends = []

        async def one():
            ends.append(((await spine.ask()).status, round(now() - 1000)))

        await asyncio.gather(*(one() for _ in range(5)))
        assert ends == [(200, at) for at in (1, 2, 3, 4, 5)]
        assert spine.gateway.queue.depth == 0

    run(story())


def test_b28_a_newcomer_does_not_overtake():
    async def story():
        spine = one_at_a_time(waiting=QueueSettings(max_waiting=10, max_wait_s=60))
        order = []

        async def one(name, after_s):
            await asyncio.sleep(after_s)
            await spine.ask()
            order.append(name)

        await asyncio.gather(one("first", 0), one("waits", 0.5), one("comes as the place becomes free", 1.0))
        assert order == ["first", "waits", "comes as the place becomes free"]

    run(story())


def test_b28_a_waiter_whose_time_has_come_precedes_a_new_request_even_when_the_loop_is_late():
    async def story():
        spine = Spine(
            [make_endpoint("a", provider="p")],
            limits={"p": ProviderLimits(requests_per_minute=1)},
            waiting=QueueSettings(max_waiting=10, max_wait_s=600),
        )
        await spine.ask()
        waiting = asyncio.ensure_future(spine.ask())
        await settle()
        asyncio.get_running_loop().now += 61  # busy elsewhere: no timer has fired
        newcomer = await spine.ask()
        assert (newcomer.outcome.queued_s, (await waiting).outcome.queued_s) == (pytest.approx(60), 61)

    run(story())


def test_b28_a_free_endpoint_is_not_kept_from_those_who_want_it():
    async def story():
        busy, idle = make_endpoint("busy", max_in_flight=1), make_endpoint("idle", max_in_flight=1)
        spine = Spine([busy, idle], delay_s=lambda _: 1.0, waiting=QueueSettings(max_waiting=10, max_wait_s=60))
        told = await asyncio.gather(*(spine.ask(model="busy") for _ in range(3)), spine.ask(model="idle"))
        assert told[3].outcome.queued_s is None

    run(story())


def test_b28_an_endpoint_that_is_back_takes_those_who_wait():
    async def story():
        how = {"a": "401"}
        spine = Spine(
            [make_endpoint("a", priority=2), make_endpoint("b", max_in_flight=1)],
            lambda model, _: how.get(model, "ok"),
            delay_s=lambda model: 100.0 if model == "b" else 0.0,
            waiting=QueueSettings(max_waiting=10, max_wait_s=60),
            recovery_s=1000,
        )
        spine.health.breaker(spine.gateway.settings.endpoints[0]).openings = 20
        first = asyncio.ensure_future(spine.ask())
        await asyncio.sleep(1)
        waiting = asyncio.ensure_future(spine.ask())
        await asyncio.sleep(1)
        assert spine.gateway.queue.depth == 1
        how.clear()
        spine.health.succeeded(spine.gateway.settings.endpoints[0])
        told = await waiting
        assert (told.asked, now()) == (["a"], 1002)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)

    run(story())


@pytest.mark.parametrize("seed", range(5))
def test_b28_under_random_load_nothing_is_lost_and_nothing_left(seed):
    async def story():
        from random import Random

        random = Random(seed)
        spine = Spine(
            [make_endpoint("a", provider="p", max_in_flight=2), make_endpoint("b", provider="q", max_in_flight=1)],
            lambda *_: random.choice(["ok", "ok", "ok", "500", "429", "hang", "reset_before"]),
            delay_s=lambda _: random.random() * 3,
            waiting=QueueSettings(max_waiting=30, max_wait_s=20),
            limits={"p": ProviderLimits(requests_per_minute=120)},
            failure_threshold=1000,
        )
        most = Counter()

        async def one(at):
            await asyncio.sleep(random.random() * 30)
            task = asyncio.ensure_future(spine.ask(stream=random.random() < 0.5, key=random.choice([None, "k1", "k2"])))
            if random.random() < 0.2:
                await asyncio.sleep(random.random() * 5)
                task.cancel()
            for endpoint in spine.gateway.settings.endpoints:
                most[endpoint.id] = max(most[endpoint.id], spine.health.breaker(endpoint).in_flight)
            return (await asyncio.gather(task, return_exceptions=True))[0]

        told = await asyncio.gather(*(one(at) for at in range(120)))
        assert {getattr(one, "status", "left") for one in told} <= {200, 429, 502, 504, 503, "left"}
        assert len(spine.book.outcomes) == 120
        assert most["a"] <= 2 and most["b"] <= 1
        assert spine.gateway.queue.depth == 0
        assert all(spine.health.breaker(e).in_flight == 0 for e in spine.gateway.settings.endpoints)
        assert spine.health._rate_limits["p"].in_flight == 0
        assert spine.transport.open == 0
        assert len(asyncio.all_tasks()) == 1

    run(story())
