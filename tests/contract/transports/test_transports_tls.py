"""Both transports believe only the server they were told to believe."""

from __future__ import annotations

import asyncio
import hashlib

import pytest

from octoroute.errors import BadUpstreamResponse, Unreachable
from octoroute.upstream.transports import TRANSPORTS
from octoroute.upstream.transports.base import TransportRequest, Trust
from tests.support.certificates import Authority
from tests.support.hostile import Peer, answer, serving


@pytest.fixture(scope="module")
def authority(tmp_path_factory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def right(authority):
    return authority.server("IP:127.0.0.1", "DNS:localhost")


@pytest.fixture(params=list(TRANSPORTS))
async def transport(request):
    made = TRANSPORTS[request.param]()
    yield made
    await made.close()


async def fine(peer: Peer) -> None:
    while True:
        await peer.request()
        await peer.send(answer(b"x" * 300_000))


async def ask(transport, url: str, trust: Trust | None) -> bytes:
    async with asyncio.timeout(5):
        reply = await transport.send(TransportRequest(method="POST", url=url, body=b"{}", trust=trust))
        try:
            return await reply.body(1 << 20)
        finally:
            reply.close()


async def test_a_trusted_server_is_asked_and_its_connection_kept(transport, authority, right):
    trust = Trust(context=authority.trusting())
    async with serving(fine, tls=right) as server:
        for host in ("127.0.0.1", "127.0.0.1", "localhost"):
            assert len(await ask(transport, server.url(host=host), trust)) == 300_000
        assert server.accepted == 2
        await transport.close()
        assert await server.deserted()


async def test_an_unknown_authority_is_unreachable_and_says_so(transport, right):
    async with serving(fine, tls=right) as server:
        with pytest.raises(Unreachable, match="certificate comes from an authority that is not trusted"):
            await ask(transport, server.url(), None)
        assert server.requests == []
        assert await server.deserted()


async def test_a_certificate_for_another_host_is_unreachable_and_says_so(transport, authority):
    async with serving(fine, tls=authority.server("DNS:other.example")) as server:
        with pytest.raises(Unreachable, match="certificate is for another host") as caught:
            await ask(transport, server.url(), Trust(context=authority.trusting()))
        assert "127.0.0.1" not in str(caught.value)
        assert server.requests == []
        assert await server.deserted()


async def test_a_pinned_certificate_is_the_only_one(transport, authority, right):
    pin = hashlib.sha256(authority.der("IP:127.0.0.1")).digest()
    async with serving(fine, tls=right) as server:
        assert await ask(transport, server.url(), Trust(context=authority.trusting(), pins_sha256=frozenset({pin, bytes(32)})))
        with pytest.raises(Unreachable, match="not the pinned one"):
            await ask(transport, server.url(), Trust(context=authority.trusting(), pins_sha256=frozenset({bytes(32)})))
        assert len(server.requests) == 1


async def test_two_trusts_do_not_share_a_connection(transport, authority, right):
    async with serving(fine, tls=right) as server:
        await ask(transport, server.url(), Trust(context=authority.trusting()))
        with pytest.raises(Unreachable):
            await ask(transport, server.url(), None)


async def test_an_answer_cut_short_is_broke(transport, authority, right):
    async def short(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf")
        peer.close()

    async with serving(short, tls=right) as server:
        with pytest.raises(BadUpstreamResponse):
            await ask(transport, server.url(), Trust(context=authority.trusting()))
        assert await server.deserted()


async def test_a_connection_that_ended_while_idle_costs_nothing(transport, authority, right):
    async def once(peer: Peer) -> None:
        await peer.request()
        await peer.send(answer())
        await asyncio.sleep(0.01)
        peer.close()

    trust = Trust(context=authority.trusting())
    async with serving(once, tls=right) as server:
        for _ in range(3):
            assert await ask(transport, server.url(), trust) == b"fine"
            await asyncio.sleep(0.05)
        assert server.accepted == 3


async def test_giving_up_midway_cuts_the_connection(transport, authority, right):
    async def hang(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf")

    async with serving(hang, tls=right) as server:
        reply = await transport.send(TransportRequest(method="POST", url=server.url(), trust=Trust(context=authority.trusting())))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await reply.body(1000)
        reply.close()
        assert await server.deserted()
