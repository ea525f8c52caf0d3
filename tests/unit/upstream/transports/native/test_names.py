"""How our own client comes by addresses: asked once for all who wait, and not forgotten because a name server has gone."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import threading

import pytest

from octoroute.errors import Unreachable
from octoroute.upstream.transports.base import TransportRequest
from octoroute.upstream.transports.native import NativeTransport, names
from tests.support.hostile import Peer, answer, serving
from tests.support.native_client import ask, native, post

REAL = socket.getaddrinfo


class Resolver:
    """Stands where the system's is. It says nothing while `says_something` is not set."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.fails = False
        self.breaks = False
        self.says_something = threading.Event()
        self.says_something.set()

    def __call__(self, host, *args, **more):
        if host != "name.test":
            return REAL(host, *args, **more)
        self.asked.append(host)
        assert self.says_something.wait(10)
        if self.breaks:
            raise LookupError("unknown encoding: idna")
        if self.fails:
            raise socket.gaierror(socket.EAI_AGAIN, "no name server")
        return REAL("127.0.0.1", *args, **more)


@pytest.fixture
def resolver(monkeypatch):
    found = Resolver()
    monkeypatch.setattr(socket, "getaddrinfo", found)
    yield found
    found.says_something.set()


async def once(peer: Peer) -> None:
    """A connection for each request."""
    seen = await peer.request()
    await peer.send(answer(seen.body, "200 OK", "connection: close"))


async def test_all_who_wait_ask_once_and_those_who_leave_harm_nobody(resolver):
    resolver.says_something.clear()
    async with native() as transport, serving(once) as server:
        asking = [asyncio.ensure_future(ask(transport, post(server.url(host="name.test"), b"%d" % n))) for n in range(8)]
        while not resolver.asked:
            await asyncio.sleep(0.005)
        asking[0].cancel()
        await asyncio.gather(asking[0], return_exceptions=True)
        resolver.says_something.set()
        assert await asyncio.gather(*asking[1:]) == [b"%d" % n for n in range(1, 8)]
    assert resolver.asked == ["name.test"]


@pytest.mark.parametrize(
    ("how", "message"), [("fails", "could not be resolved"), ("breaks", "the connection to the upstream failed")]
)
async def test_a_name_that_fails_is_reported_and_looked_up_again(resolver, how, message):
    """`breaks`: by any exception; a task waits for the result."""
    async with native() as transport, serving(once) as server:
        setattr(resolver, how, True)
        with pytest.raises(Unreachable, match=message):
            await ask(transport, post(server.url(host="name.test")))
        setattr(resolver, how, False)
        assert await ask(transport, post(server.url(host="name.test"), b"now")) == b"now"


FIRST_LOOK = """
import resource, socket
import octoroute.upstream.transports.native.names
resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))
print(socket.getaddrinfo("127.0.0.1", 80)[0][4][0])
"""


def test_a_process_that_has_no_descriptor_free_at_its_first_lookup_can_look_up_all_the_same():
    found = subprocess.run([sys.executable, "-c", FIRST_LOOK], capture_output=True, text=True, timeout=60, check=False)
    assert found.stdout.strip() == "127.0.0.1", found.stderr


@pytest.mark.parametrize("how", ["fails", "says nothing"])
async def test_without_a_name_server_old_addresses_are_good_enough(resolver, monkeypatch, how):
    monkeypatch.setattr(names, "_TTL_S", -1.0)
    async with native() as transport, serving(once) as server:
        call = post(server.url(host="name.test"), b"still there")
        await ask(transport, call)
        resolver.fails = how == "fails"
        if how == "says nothing":
            resolver.says_something.clear()
        for _ in range(3):
            assert await ask(transport, call) == b"still there"


async def test_a_transport_may_be_closed_while_a_name_is_looked_up(resolver):
    resolver.says_something.clear()
    transport = NativeTransport()
    asking = asyncio.ensure_future(transport.send(post("http://name.test:1/")))
    while not resolver.asked:
        await asyncio.sleep(0.005)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    await transport.close()


async def test_after_a_connection_that_failed_the_name_is_looked_up_again(resolver):
    """Its address may have changed; a time-out counts, too."""

    async def mute(peer: Peer) -> None:
        await peer.reader.read()

    async with native() as transport, serving(mute) as server:
        for _ in range(2):
            with pytest.raises(Unreachable):
                await ask(
                    transport, TransportRequest(method="POST", url=f"https://name.test:{server.port}/", connect_timeout_s=0.1)
                )
    assert resolver.asked == ["name.test", "name.test"]
