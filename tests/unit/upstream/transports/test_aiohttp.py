"""aiohttp's errors in the gateway's words, and several pins where aiohttp knows one."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import socket

import aiohttp
import pytest

from octoroute.errors import BadUpstreamResponse, TlsRejected, Unreachable
from octoroute.upstream.transports.aiohttp import AiohttpTransport, _Pins, _upstream_error
from octoroute.upstream.transports.base import TransportRequest
from octoroute.upstream.transports.failures import VANISHED
from tests.support.hostile import Peer, serving

CERTIFICATE = b"a certificate"


class Tls:
    """The part of an asyncio transport that pins look at."""

    def get_extra_info(self, name):
        return {"sslcontext": True, "peername": ("h", 443), "ssl_object": self}[name]

    def getpeercert(self, binary_form):
        assert binary_form
        return CERTIFICATE


def pin(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def test_one_of_several_pins_must_match():
    _Pins(frozenset({pin(b"old"), pin(CERTIFICATE)})).check(Tls())
    with pytest.raises(aiohttp.ServerFingerprintMismatch):
        _Pins(frozenset({pin(b"old"), pin(b"new")})).check(Tls())


@pytest.mark.parametrize(
    ("error", "meaning"),
    [
        (aiohttp.ServerDisconnectedError(), BadUpstreamResponse),
        (aiohttp.ClientPayloadError("cut"), BadUpstreamResponse),
        (ConnectionResetError(), BadUpstreamResponse),
        (aiohttp.ConnectionTimeoutError(), Unreachable),
        (aiohttp.InvalidURL("http://["), Unreachable),
        (ValueError("a header"), Unreachable),
        (aiohttp.ServerFingerprintMismatch(b"", b"", "h", 443), TlsRejected),
    ],
)
def test_an_error_is_told_by_what_had_come_about(error, meaning):
    assert type(_upstream_error(error)) is meaning


async def test_a_closed_transport_sends_nothing():
    transport = AiohttpTransport()
    await transport.close()
    with pytest.raises(Unreachable):
        await transport.send(TransportRequest(method="GET", url="http://127.0.0.1:9/"))


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="Linux only")
@pytest.mark.parametrize(("size", "limit_ms"), [(10, 8000), (100_000, 0)])
async def test_the_kernel_watches_for_peers_that_vanish(size, limit_ms):
    """A long request may be read late, which must not pass for a dead peer."""

    async def read_head(peer: Peer) -> None:
        await peer.reader.readuntil(b"\r\n\r\n")
        await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\n")
        await asyncio.sleep(60)

    transport = AiohttpTransport()
    async with serving(read_head) as server:
        response = await transport.send(TransportRequest(method="POST", url=server.url(), body=bytes(size)))
        connection = response._response.connection
        assert connection is not None
        assert connection.transport is not None
        sock = connection.transport.get_extra_info("socket")
        options = [sock.getsockopt(socket.IPPROTO_TCP, option) for option in (socket.TCP_USER_TIMEOUT, socket.TCP_KEEPIDLE)]
        assert options == [limit_ms, 4]
        response.close()
        await transport.close()


def test_a_peer_that_has_vanished_is_named():
    assert _upstream_error(aiohttp.ClientOSError(errno.ETIMEDOUT, "Connection timed out")).message == VANISHED
