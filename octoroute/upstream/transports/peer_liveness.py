"""Finds a TCP peer that is gone without a word (a cut cable, a host without power) within DEAD_S and two seconds.

The kernel finds it by keep-alive probes while nothing is under way, and by TCP_USER_TIMEOUT while data is. That limit also ends a
connection whose peer lives but takes nothing. Where a peer may do so for long, an `AckWatch` looks at acknowledgements instead.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import socket
import struct
import termios
from collections.abc import Callable

DEAD_S = 8
"""A peer that acknowledges nothing for so long is dead."""
FIRST_PROBE_S = 4
"""The kernel sends the first keep-alive probe after so long without a segment of the peer."""
PROBE_INTERVAL_S = 1
PROBES = (DEAD_S - FIRST_PROBE_S) // PROBE_INTERVAL_S
"""Keep-alive probes without an answer that end a connection; with TCP_USER_TIMEOUT that limit counts instead."""
REPEAT_S = 2
"""The longest pause between two transmissions of the same data, or two probes of a closed window. Without this limit the kernel
doubles the pause up to two minutes, and a peer that dies meanwhile is found only by the next one.
"""
USER_TIMEOUT: int | None = getattr(socket, "TCP_USER_TIMEOUT", None)
"""None: not Linux, and the kernel watches nothing."""
_RTO_MAX_MS = 44
"""TCP_RTO_MAX_MS of Linux 6.15, which Python has no name for. Older kernels refuse it."""
_HAS_TCP_INFO = hasattr(socket, "TCP_INFO")
_TCP_INFO_BYTES = 60
"""Of Linux's `struct tcp_info`: probes (byte 3), unacknowledged segments (24), milliseconds since the last acknowledgement (56)."""
_FIELD = struct.Struct("I")
_LOOK_S = 1.0
LONG_BYTES = 64 * 1024
"""A longer request does not fit into every server's receive buffer."""


def watch_peer(sock: socket.socket, *, unacknowledged_s: int = DEAD_S) -> None:
    """Make the kernel end the connection if its peer vanishes. Connections that a listener accepts inherit its settings.

    `unacknowledged_s`: see `limit_unacknowledged`.
    """
    if USER_TIMEOUT is None:
        return
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, FIRST_PROBE_S)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, PROBE_INTERVAL_S)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, PROBES)
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.IPPROTO_TCP, _RTO_MAX_MS, REPEAT_S * 1000)
    limit_unacknowledged(sock, unacknowledged_s)


def limit_unacknowledged(sock: socket.socket, seconds: int) -> None:
    """How long sent data may stay unacknowledged, or the peer's window closed; 0: the kernel's limit, up to 15 minutes."""
    if USER_TIMEOUT is not None:
        with contextlib.suppress(OSError):  # it is closed already
            sock.setsockopt(socket.IPPROTO_TCP, USER_TIMEOUT, seconds * 1000)


def unacknowledged_bytes(sock: socket.socket) -> int:
    """Sent bytes that the peer's kernel has not acknowledged (Linux). Raises OSError."""
    (queued,) = struct.unpack("i", fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, b"\0\0\0\0"))
    return queued


class AckWatch:
    """Whether a peer acknowledges what it is sent, looked at once a second. A peer that only reads nothing still does."""

    __slots__ = ("_looks",)

    def __init__(self) -> None:
        self._looks = 0
        """How often in a row an acknowledgement was missing."""

    def is_dead(self, sock: socket.socket) -> bool:
        """True if the peer has acknowledged neither data nor probes for DEAD_S. Call it once a second.

        An acknowledgement that is missing at one look only may be under way: the probe of a window that has been closed for long
        is the first segment for many seconds.
        """
        if not _HAS_TCP_INFO:
            return False
        try:
            info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_BYTES)
        except OSError:
            return False
        if len(info) < _TCP_INFO_BYTES:
            return False
        (unacknowledged,), (since_ms,) = _FIELD.unpack_from(info, 24), _FIELD.unpack_from(info, 56)
        if since_ms < _LOOK_S * 1000 or not (unacknowledged or info[3]):
            self._looks = 0
            return False
        self._looks += 1
        return self._looks > 1 and since_ms >= DEAD_S * 1000


class LongRequestWatch:
    """Watches the peer of a request that may fill its window: a busy server may read it late, which is no fault.

    Once the peer has acknowledged the whole request, the kernel's limit counts again.
    """

    __slots__ = ("_acks", "_is_under_way", "_loop", "_lost", "_sock", "_unsent_bytes")

    def __init__(
        self, sock: socket.socket, *, is_under_way: Callable[[], bool], unsent_bytes: Callable[[], int], lost: Callable[[], object]
    ) -> None:
        """`is_under_way`: False ends the watch, and leaves the limit to the caller. `unsent_bytes`: in the process's own buffer.
        `lost` is called when the peer is dead.
        """
        limit_unacknowledged(sock, 0)
        self._sock = sock
        self._is_under_way = is_under_way
        self._unsent_bytes = unsent_bytes
        self._lost = lost
        self._acks = AckWatch()
        self._loop = asyncio.get_running_loop()
        self._loop.call_later(_LOOK_S, self._look)

    def _look(self) -> None:
        if not self._is_under_way():
            return
        if self._acks.is_dead(self._sock):
            self._lost()
            return
        with contextlib.suppress(OSError, ValueError):  # it is closed
            if self._unsent_bytes() or unacknowledged_bytes(self._sock):
                self._loop.call_later(_LOOK_S, self._look)
            else:
                limit_unacknowledged(self._sock, DEAD_S)
