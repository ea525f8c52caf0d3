"""What only our own client promises: a cap with a fair line, idle expiry, and a proof before a POST is sent again."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket

import pytest

from octoroute.errors import BadUpstreamResponse, Unreachable
from octoroute.upstream.transports.base import TransportRequest
from octoroute.upstream.transports.native import NativeTransport
from tests.support.hostile import Peer, answer, serving


@contextlib.asynccontextmanager
async def native(**options):
    transport = NativeTransport(**options)
    try:
        yield transport
    finally:
        await transport.close()
        assert transport.connections == 0


def post(url: str, body: bytes = b"{}") -> TransportRequest:
    return TransportRequest(method="POST", url=url, body=body)


async def ask(transport: NativeTransport, call: TransportRequest) -> bytes:
    async with asyncio.timeout(5):
        reply = await transport.send(call)
        try:
            return await reply.body(1 << 20)
        finally:
            reply.close()


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


async def test_a_slow_reader_costs_a_bounded_buffer():
    async def flood(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 30000000\r\n\r\n", *[b"x" * 60_000] * 500)

    async with native() as transport, serving(flood) as server:
        reply = await transport.send(post(server.url()))
        await asyncio.sleep(0.1)
        assert 0 < reply.size <= 128 * 1024
        reply.close()
        assert await server.deserted()


@pytest.mark.parametrize("stray", [b"HTTP/1.1 2", b"x", answer(b"another")])
async def test_a_connection_with_bytes_after_an_answer_is_not_used_again(stray):
    async def chatty(peer: Peer) -> None:
        while True:
            await peer.request()
            await peer.send(answer(b"mine") + stray)

    async with native() as transport, serving(chatty) as server:
        for _ in range(3):
            assert await ask(transport, post(server.url())) == b"mine"
        assert server.accepted == 3


async def test_a_peer_that_neither_reads_nor_answers_is_not_written_to_for_ever():
    async def deaf(peer: Peer) -> None:
        await asyncio.sleep(0.05)
        peer.half_close()
        await asyncio.sleep(60)

    async with native() as transport, serving(deaf) as server:
        with pytest.raises(BadUpstreamResponse):
            await ask(transport, post(server.url(), bytes(30_000_000)))
        await asyncio.sleep(0.02)
        assert transport.connections == 0


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


@contextlib.asynccontextmanager
async def used_connection():
    """(our connection after one exchange, the server's socket): nothing runs between what a test does to the two."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        async with native() as transport:
            task = asyncio.ensure_future(ask(transport, post(f"http://127.0.0.1:{listener.getsockname()[1]}/")))
            listener.setblocking(False)
            peer, _ = await asyncio.get_running_loop().sock_accept(listener)
            peer.setblocking(False)
            with peer:
                await asyncio.get_running_loop().sock_recv(peer, 65536)
                peer.send(answer())
                assert await task == b"fine"
                (pool,) = transport._pools.values()
                (connection,) = pool._idle
                pool._idle.clear()
                yield connection, peer


HEAD = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\n{}"


@pytest.mark.parametrize("method", ["POST", "GET"])
async def test_a_request_that_met_a_closed_connection_may_be_sent_again(method):
    async with used_connection() as (connection, peer):
        peer.close()
        assert not connection.is_usable()  # a pool would not have used it; the FIN may also come a moment later
        exchange = connection.begin(method, HEAD, b"")
        assert await exchange.head() is False


@pytest.mark.parametrize("ending", ["read and closed", "unread and closed", "read and reset"])
async def test_a_post_that_arrived_is_not(ending):
    async with used_connection() as (connection, peer):
        exchange = connection.begin("POST", HEAD, b"")
        for _ in range(3):
            await asyncio.sleep(0)
        if ending != "unread and closed":
            assert peer.recv(65536)
        if ending == "read and reset":
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        peer.close()
        with pytest.raises(BadUpstreamResponse):
            await exchange.head()


async def test_a_get_that_arrived_is():
    async with used_connection() as (connection, peer):
        exchange = connection.begin("GET", HEAD, b"")
        for _ in range(3):
            await asyncio.sleep(0)
        assert peer.recv(65536)
        peer.close()
        assert await exchange.head() is False


async def test_a_request_on_a_new_connection_is_never_sent_again():
    async def deaf(peer: Peer) -> None:
        peer.close()

    async with native() as transport, serving(deaf) as server:
        for method in ("POST", "GET"):
            with pytest.raises(BadUpstreamResponse):
                await ask(transport, TransportRequest(method=method, url=server.url()))
        assert server.accepted == 2
