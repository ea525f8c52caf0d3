"""A peer that acknowledges nothing is dead; one that only reads nothing is not. `tests/torture/vanish.py` cuts a real cable."""

from __future__ import annotations

import asyncio
import socket
import struct

import pytest

from octoroute.upstream.transports import peer_liveness
from octoroute.upstream.transports.peer_liveness import (
    DEAD_S,
    AckWatch,
    LongRequestWatch,
    limit_unacknowledged,
    unacknowledged_bytes,
    watch_peer,
)

pytestmark = pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="Linux only")


class Kernel:
    """The part of a socket that tells of acknowledgements."""

    def __init__(self) -> None:
        self.since_ms = self.unacknowledged = self.probes = 0

    def getsockopt(self, level: int, option: int, size: int) -> bytes:
        assert (level, option) == (socket.IPPROTO_TCP, socket.TCP_INFO)
        info = bytearray(size)
        info[3] = self.probes
        struct.pack_into("I", info, 24, self.unacknowledged)
        struct.pack_into("I", info, 56, self.since_ms)
        return bytes(info)


class Closed:
    def getsockopt(self, *_: int) -> bytes:
        raise OSError(9, "Bad file descriptor")


class Short:
    def getsockopt(self, *_: int) -> bytes:
        return bytes(20)


def looked_at(kernel: Kernel, seconds: int) -> list[bool]:
    watch, found = AckWatch(), []
    for _ in range(seconds):
        found.append(watch.is_dead(kernel))
        kernel.since_ms += 1000
    return found


@pytest.mark.parametrize("what", ["unacknowledged", "probes"])
def test_a_peer_that_acknowledges_nothing_is_dead_after_so_long(what):
    kernel = Kernel()
    setattr(kernel, what, 1)
    assert looked_at(kernel, DEAD_S + 2) == [False] * DEAD_S + [True, True]


def test_a_peer_with_nothing_to_acknowledge_is_not_dead():
    kernel = Kernel()
    kernel.since_ms = 3_600_000
    assert not any(looked_at(kernel, 20))


def test_the_probe_of_a_window_closed_for_long_may_be_answered_later():
    """It is the first segment for half a minute, and its acknowledgement is still under way when it is looked at."""
    kernel, watch = Kernel(), AckWatch()
    for _ in range(5):
        kernel.since_ms, kernel.probes = 30_000, 1
        assert not watch.is_dead(kernel)
        kernel.since_ms, kernel.probes = 900, 0
        assert not watch.is_dead(kernel)


@pytest.mark.parametrize("sock", [Closed(), Short()])
def test_a_socket_that_tells_nothing_is_not_dead(sock):
    assert not any(AckWatch().is_dead(sock) for _ in range(20))


def test_accepted_connections_inherit_what_the_listener_has():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        watch_peer(listener, unacknowledged_s=60)
        with socket.create_connection(listener.getsockname()), listener.accept()[0] as accepted:
            options = (socket.TCP_USER_TIMEOUT, socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
            assert [accepted.getsockopt(socket.IPPROTO_TCP, option) for option in options] == [60_000, 4, 1, 4]
            assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)


def test_found_within_ten_seconds():
    """The last probe, and a look a second that must confirm it."""
    assert peer_liveness.FIRST_PROBE_S + peer_liveness.PROBES * peer_liveness.PROBE_INTERVAL_S == DEAD_S <= 8


def user_timeout(sock: socket.socket) -> int:
    return sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)


async def test_a_request_that_is_read_late_has_no_limit_until_it_is_read(monkeypatch):
    monkeypatch.setattr(peer_liveness, "_LOOK_S", 0.01)
    lost: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()) as sock:
        accepted, _ = listener.accept()
        sock.setblocking(False)
        accepted.setblocking(False)
        watch_peer(sock)
        sent = 0
        try:
            while True:
                sent += sock.send(bytes(1 << 20))
        except BlockingIOError:
            pass
        LongRequestWatch(sock, is_under_way=lambda: True, unsent_bytes=lambda: 0, lost=lambda: lost.append("lost"))
        await asyncio.sleep(0.1)
        assert user_timeout(sock) == 0
        assert unacknowledged_bytes(sock) > 0
        while sent:
            sent -= len(await asyncio.get_running_loop().sock_recv(accepted, 1 << 20))
        async with asyncio.timeout(10):
            while user_timeout(sock) == 0:
                await asyncio.sleep(0.01)
        accepted.close()
        assert user_timeout(sock) == DEAD_S * 1000
        assert lost == []


async def test_a_request_whose_peer_is_dead_is_lost(monkeypatch):
    monkeypatch.setattr(peer_liveness, "_LOOK_S", 0.001)
    gone = asyncio.Event()
    kernel = Kernel()
    kernel.since_ms, kernel.unacknowledged = DEAD_S * 1000, 4
    kernel.setsockopt = lambda *_: None  # type: ignore[attr-defined]
    LongRequestWatch(kernel, is_under_way=lambda: True, unsent_bytes=lambda: 1, lost=gone.set)
    async with asyncio.timeout(10):
        await gone.wait()


async def test_the_watch_ends_with_the_response(monkeypatch):
    monkeypatch.setattr(peer_liveness, "_LOOK_S", 0.001)
    looks: list[str] = []
    with socket.socket() as sock:
        LongRequestWatch(sock, is_under_way=lambda: bool(looks.append("look")), unsent_bytes=lambda: 0, lost=looks.clear)
        await asyncio.sleep(0.05)
        assert looks == ["look"]
        limit_unacknowledged(sock, 3)
        assert user_timeout(sock) == 3000
