"""Opening a connection: plain, with TLS, and with a pinned certificate."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import shutil
import socket
import ssl
from collections.abc import AsyncIterator

import pytest

from octoroute.errors import TlsRejected
from octoroute.upstream.transports.base import Trust
from octoroute.upstream.transports.native.connector import Connector
from octoroute.upstream.transports.request import Origin
from tests.support.certificates import Authority

needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificates")


class Owner:
    def release(self, connection) -> None: ...
    def lost(self, connection) -> None: ...


def connector(port: int, *, context: ssl.SSLContext | None = None, trust: Trust | None = None) -> Connector:
    return Connector(Origin(context is not None, "127.0.0.1", port, trust), context, memoryview(bytearray(65536)))


@contextlib.asynccontextmanager
async def listening(context: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """A server that reads until its client closes; yields its port."""
    closed: list[asyncio.StreamWriter] = []

    async def read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        closed.append(writer)
        with contextlib.suppress(OSError):
            await reader.read()
        writer.close()

    async with await asyncio.start_server(read, "127.0.0.1", 0, ssl=context) as server:
        yield server.sockets[0].getsockname()[1]
        for _ in range(100):
            await asyncio.sleep(0.01)
            if all(writer.is_closing() for writer in closed):
                break
        await asyncio.sleep(0.05)


async def test_small_requests_are_not_held_back_by_the_kernel():
    async with listening() as port:
        connection = await connector(port).connect(Owner())
        assert connection._sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        connection.drop()


async def test_no_server_is_an_os_error():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        with pytest.raises(OSError, match=r"."):
            await connector(unused.getsockname()[1]).connect(Owner())


@needs_openssl
async def test_a_pinned_certificate_is_accepted_and_another_is_not(tmp_path):
    authority = Authority(tmp_path)
    context = ssl.create_default_context(cafile=str(authority.file))
    async with listening(authority.server("IP:127.0.0.1")) as port:
        right = Trust(context=context, pins_sha256=frozenset({hashlib.sha256(authority.der("IP:127.0.0.1")).digest()}))
        connection = await connector(port, context=context, trust=right).connect(Owner())
        connection.drop()
        with pytest.raises(TlsRejected, match="pinned"):
            await connector(port, context=context, trust=Trust(context=context, pins_sha256=frozenset({b"x" * 32}))).connect(
                Owner()
            )


@needs_openssl
async def test_a_certificate_of_an_unknown_authority_is_refused(tmp_path):
    async with listening(Authority(tmp_path).server("IP:127.0.0.1")) as port:
        with pytest.raises(ssl.SSLCertVerificationError):
            await connector(port, context=ssl.create_default_context()).connect(Owner())


def resolved(*hosts: str, port: int = 80) -> list[tuple[object, ...]]:
    families = {True: socket.AF_INET6, False: socket.AF_INET}
    return [(families[":" in host], socket.SOCK_STREAM, 6, "", (host, port)) for host in hosts]


def order(made: Connector, addresses, avoid: str = "") -> list[str]:
    return [address[4][0] for address in made._in_turn(addresses, avoid)]


def test_o33_addresses_take_turns_within_the_family_that_the_resolver_prefers():
    made = connector(80)
    both = resolved("10.0.0.1", "10.0.0.2", "10.0.0.3")
    assert [order(made, both)[0] for _ in range(4)] == ["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.1"]
    mixed = resolved("::1", "::2", "127.0.0.1")
    assert [order(connector(80), mixed), order(made, mixed)] == [["::1", "::2", "127.0.0.1"]] * 2
    assert order(connector(80), resolved("10.0.0.1")) == ["10.0.0.1"]


def test_o33_an_address_that_failed_comes_last():
    made = connector(80)
    for _ in range(4):
        assert order(made, resolved("10.0.0.1", "10.0.0.2"), avoid="10.0.0.1") == ["10.0.0.2", "10.0.0.1"]


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="Linux only")
async def test_s06_the_kernel_watches_for_peers_that_vanish():
    async with listening() as port:
        connection = await connector(port).connect(Owner())
        options = [
            connection._sock.getsockopt(socket.IPPROTO_TCP, option) for option in (socket.TCP_USER_TIMEOUT, socket.TCP_KEEPIDLE)
        ]
        assert options == [8_000, 4]
        assert connection._sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert connection.address == "127.0.0.1"
        connection.drop()
