"""The pool's promises: a limit with a fair queue, and idle expiry."""

from __future__ import annotations

import asyncio
import contextlib
import random

import pytest

from octoroute.errors import BadUpstreamResponse, Unreachable
from tests.support.hostile import Peer, answer, serving
from tests.support.native_client import ask, native, post


async def slow(peer: Peer) -> None:
    while True:
        seen = await peer.request()
        await asyncio.sleep(0.005)
        await peer.send(answer(seen.body))


@pytest.mark.parametrize("cap", [1, 3])
async def test_no_more_connections_than_the_cap_and_first_come_first_served(cap):
    async with native(max_per_origin=cap) as transport, serving(slow) as server:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(ask(transport, post(server.url(), b"%d" % i))) for i in range(12)]
        assert [task.result() for task in tasks] == [b"%d" % i for i in range(12)]
        for place, seen in enumerate(server.requests):  # those who are served at the same time arrive in any order
            assert abs(int(seen.body) - place) < cap
        assert server.accepted == cap


async def test_whoever_leaves_the_line_holds_nobody_up():
    rng = random.Random(7)
    async with native(max_per_origin=2) as transport, serving(slow) as server:

        async def one(i: int, patience_s: float | None) -> None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(patience_s):
                    assert await ask(transport, post(server.url(), b"%d" % i)) == b"%d" % i

        async with asyncio.timeout(10), asyncio.TaskGroup() as group:
            for i in range(200):
                group.create_task(one(i, rng.choice([None, rng.uniform(0, 0.2)])))
        assert transport.connections <= 2


async def test_a_connection_that_fails_leaves_its_place_to_the_next():
    async def moody(peer: Peer) -> None:
        await peer.request()
        if peer.number % 2:
            peer.close()
        else:
            await peer.send(answer(b"ok", "200 OK", "connection: close"))

    async with native(max_per_origin=1) as transport, serving(moody) as server, asyncio.timeout(5):
        results = await asyncio.gather(*(ask(transport, post(server.url())) for _ in range(10)), return_exceptions=True)
        assert [isinstance(result, BadUpstreamResponse) for result in results] == [False, True] * 5


async def test_a_place_nobody_could_connect_from_goes_to_the_next():
    async with native(max_per_origin=1) as transport:
        async with serving(slow) as server:
            pass
        async with asyncio.timeout(5):
            results = await asyncio.gather(*(ask(transport, post(server.url())) for _ in range(5)), return_exceptions=True)
        assert all(isinstance(result, Unreachable) for result in results)
        assert transport.connections == 0


async def test_closing_sends_those_in_line_away():
    async with native(max_per_origin=1) as transport, serving(slow) as server:
        tasks = [asyncio.ensure_future(ask(transport, post(server.url()))) for _ in range(3)]
        await asyncio.sleep(0.003)
        await transport.close()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(result, BadUpstreamResponse | Unreachable) for result in results)


async def test_idle_connections_are_let_go():
    async with native(idle_s=0.05) as transport, serving(slow) as server:
        await asyncio.gather(*(ask(transport, post(server.url())) for _ in range(5)))
        assert server.open == 5
        assert await server.deserted()
        assert transport.connections == 0
        assert await ask(transport, post(server.url(), b"again")) == b"again"


async def test_a_connection_handed_to_someone_who_has_just_left_goes_on_to_the_next():
    async with native(max_per_origin=1) as transport, serving(slow) as server:
        await ask(transport, post(server.url()))
        (pool,) = transport._pools.values()
        connection = pool.take()
        assert connection is not None
        leaving, staying = (asyncio.ensure_future(pool.open(1.0)) for _ in range(2))
        await asyncio.sleep(0)
        pool.release(connection)
        leaving.cancel()
        assert await staying is connection
        pool.release(connection)


async def test_a_place_left_to_someone_who_has_just_left_is_free_again():
    async with native(max_per_origin=1) as transport, serving(slow) as server:
        await ask(transport, post(server.url()))
        (pool,) = transport._pools.values()
        connection = pool.take()
        assert connection is not None
        leaving = asyncio.ensure_future(pool.open(1.0))
        await asyncio.sleep(0)
        connection.drop()
        pool.lost(connection)
        leaving.cancel()
        await asyncio.wait([leaving])
        assert transport.connections == 0
