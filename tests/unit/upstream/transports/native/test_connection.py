"""One connection: a bounded buffer, no irregular byte in a response, and a proof before a POST is sent again."""

from __future__ import annotations

import asyncio
import contextlib
import socket

import pytest

from octoroute.errors import BadUpstreamResponse
from octoroute.upstream.transports.base import TransportRequest
from tests.support.hostile import Peer, answer, serving
from tests.support.laws import wire
from tests.support.native_client import ask, native, post

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"


@pytest.mark.parametrize("status", [b"000", b"020", b"099"])
@pytest.mark.parametrize("framing", [b"transfer-encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n", b"content-length: 2\r\n\r\nno"])
def test_a_status_that_is_none_puts_nothing_before_the_answer(status, framing):
    """It passed for an interim answer, and its body for the beginning of the real one's."""
    stream = b"HTTP/1.1 " + status + b" OK\r\n" + framing + ANSWER
    for reads in ([stream], [stream[at : at + 1] for at in range(len(stream))]):
        told = asyncio.run(wire.answered(reads, "POST"))
        assert (told.fault, told.body) == (BadUpstreamResponse, b"")


def test_nor_does_it_fill_our_memory():
    endless = b"HTTP/1.1 020 OK\r\ntransfer-encoding: chunked\r\n\r\n" + (b"ffff\r\n" + bytes(0xFFFF) + b"\r\n") * 8
    assert asyncio.run(wire.answered([endless], "POST")).fault is BadUpstreamResponse


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
