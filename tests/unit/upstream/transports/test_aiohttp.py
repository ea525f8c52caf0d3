"""aiohttp's errors in the gateway's words, and several pins where aiohttp knows one."""

from __future__ import annotations

import hashlib

import aiohttp
import pytest

from octoroute.errors import BadUpstreamResponse, TlsRejected, Unreachable
from octoroute.upstream.transports.aiohttp import AiohttpTransport, _Pins, _upstream_error
from octoroute.upstream.transports.base import TransportRequest

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
