"""The pool's promises: a limit with a fair queue, and idle expiry."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket

import pytest

from octoroute.errors import BadUpstreamResponse, Unreachable
from octoroute.upstream.transports.native import names, pool
from tests.support.fake import Fake, close, error
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


async def test_o33_an_old_connection_serves_no_further_request(monkeypatch):
    monkeypatch.setattr(pool, "MAX_AGE_S", 0.05)
    async with native() as transport, serving(slow) as server:
        for _ in range(3):
            await ask(transport, post(server.url(), b"x"))
        assert server.accepted == 1
        await asyncio.sleep(0.06)
        await ask(transport, post(server.url(), b"x"))
        await ask(transport, post(server.url(), b"x"))
        assert server.accepted == 2


async def test_a_long_request_may_be_read_late_and_the_connection_is_used_again():
    async with native() as transport, serving(slow) as server:
        for size in (200_000, 10, 200_000):
            assert len(await ask(transport, post(server.url(), b"x" * size))) == size
        assert server.accepted == 1


@pytest.fixture
def two_addresses(monkeypatch):
    """`pods.test` has two addresses, which the resolver always tells in the same order."""
    real = socket.getaddrinfo
    told = ["127.0.0.1", "127.0.0.2"]

    def look_up(host, port, *args, **more):
        if host != "pods.test":
            return real(host, port, *args, **more)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in told]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return told


@contextlib.asynccontextmanager
async def pods():
    """Two fakes with the same port, one on each address."""
    if not isinstance(asyncio.get_running_loop(), asyncio.SelectorEventLoop):
        pytest.skip("the scripted endpoint is written for asyncio's own loop")
    one, two = Fake("one"), Fake("two")
    await one.start()
    two.port = one.port
    await two.start("127.0.0.2")
    try:
        yield one, two
    finally:
        await one.kill()
        await two.kill()


async def many(transport, url: str, clients: int, each: int) -> None:
    async def client() -> None:
        for _ in range(each):
            await ask(transport, post(url, b"{}"))

    await asyncio.gather(*(client() for _ in range(clients)))


async def test_o33_several_addresses_of_a_name_are_all_used(two_addresses):
    async with native() as transport, pods() as (one, two):
        await many(transport, f"http://pods.test:{one.port}/v1", 8, 10)
        assert len(one.requests) + len(two.requests) == 80
        assert min(len(one.requests), len(two.requests)) >= 20


@pytest.mark.parametrize("fault", [error(503), close], ids=["503", "an end"])
async def test_o33_a_retry_prefers_another_address(two_addresses, fault):
    async with native() as transport, pods() as (one, two):
        one.always(fault)
        url = f"http://pods.test:{one.port}/v1"
        for _ in range(6):
            asked = len(one.requests)
            with contextlib.suppress(BadUpstreamResponse):
                await ask(transport, post(url, b"{}"))
            if len(one.requests) > asked:
                before = len(two.requests)
                await ask(transport, post(url, b"{}"))
                assert len(two.requests) == before + 1
        assert len(one.requests) == 1, "it is avoided for a while"


@pytest.mark.parametrize(("host", "connections"), [("127.0.0.1", 1), ("pods.test", 2)], ids=["one address", "one of two answers"])
async def test_a_server_keeps_its_connection_after_a_failure(two_addresses, host, connections):
    """One of two: as `localhost`, an IPv6 and an IPv4 address, for a server that has only one. A second connection is its search."""
    async with native() as transport, pods() as (one, two):
        await two.kill()
        one.always(error(503))
        for _ in range(20):
            await ask(transport, post(f"http://{host}:{one.port}/v1", b"{}"))
        assert (len(one.requests), one.connections) == (20, connections)


async def test_o33_a_name_that_moves_is_followed(two_addresses, monkeypatch):
    monkeypatch.setattr(pool, "MAX_AGE_S", 0.1)
    monkeypatch.setattr(names, "_TTL_S", 0.1)
    async with native() as transport, pods() as (one, two):
        two_addresses[:] = ["127.0.0.1"]
        url = f"http://pods.test:{one.port}/v1"
        await ask(transport, post(url, b"{}"))
        two_addresses[:] = ["127.0.0.2"]
        for _ in range(8):
            await asyncio.sleep(0.05)
            await ask(transport, post(url, b"{}"))
        before = len(one.requests)
        await ask(transport, post(url, b"{}"))
        assert len(one.requests) == before
        assert len(two.requests) >= 3
