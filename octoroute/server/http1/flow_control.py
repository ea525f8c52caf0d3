"""Back-pressure of one connection: neither side buffers without limit."""

from __future__ import annotations

import asyncio
import select

from octoroute.upstream.transports.peer_liveness import AckWatch

LINGER_S = 2.0
"""How long a client may go on sending after the gateway's last byte."""
HANG_UP_POLL_S = 0.25
"""How often a connection that is not read is asked for its end."""
HANG_UP: int = getattr(select, "POLLRDHUP", 0)
"""The event of a peer that has closed, also behind data that is not read (Linux)."""


class ConnectionFlow:
    """Whether a connection is read, and whether what was written to it waits to be sent."""

    __slots__ = ("_acks", "_hang_up_timer", "_stalled_s", "_transport", "_unsent_bytes", "_writable", "is_read", "paused")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._writable: asyncio.Event | None = None
        self._acks = AckWatch()
        self._hang_up_timer: asyncio.TimerHandle | None = None
        self._unsent_bytes = 0
        """In the write buffer, when `stalled_s` was last called."""
        self._stalled_s = 0
        self.is_read = True
        self.paused = False
        """The write buffer of the transport is full."""

    def pause_writing(self) -> None:
        self.paused = True
        if self._writable is None:
            self._writable = asyncio.Event()
        self._writable.clear()

    def resume_writing(self) -> None:
        self.paused = False
        if self._writable is not None:
            self._writable.set()

    async def drain(self) -> None:
        """Wait until the write buffer has room, or the connection is lost."""
        if self.paused and self._writable is not None:
            await self._writable.wait()

    def stalled_s(self, *, written: bool) -> int:
        """Return the seconds since the peer last took a byte of what waits for it. Call it once a second.

        `written`: a response is under way. Until the buffer is full, what is added to it hides what is taken from it.
        """
        unsent = self._transport.get_write_buffer_size()
        if 0 < self._unsent_bytes <= unsent and (self.paused or not written):
            self._stalled_s += 1
        else:
            self._stalled_s = 0
        self._unsent_bytes = unsent
        return self._stalled_s

    def is_dead(self) -> bool:
        """True if the peer is lost without having closed the connection: it acknowledges nothing. Call it once a second."""
        sock = self._transport.get_extra_info("socket")
        return sock is not None and self._acks.is_dead(sock)

    @property
    def is_empty(self) -> bool:
        """Nothing waits to be sent."""
        return not self._transport.get_write_buffer_size()

    def pause_reading(self) -> None:
        if self.is_read:
            self.is_read = False
            self._transport.pause_reading()

    def watch_hang_up(self) -> None:
        """Poll for the peer's close while the connection is not read, and close it then: nothing else would notice."""
        if HANG_UP and self._hang_up_timer is None:
            self._hang_up_timer = asyncio.get_running_loop().call_later(HANG_UP_POLL_S, self._poll_hang_up)

    def _poll_hang_up(self) -> None:
        self._hang_up_timer = None
        if self.is_read or self._transport.is_closing():
            return
        poll = select.poll()
        poll.register(self._transport.get_extra_info("socket").fileno(), HANG_UP)
        if poll.poll(0):
            self._transport.close()
        else:
            self.watch_hang_up()

    def resume_reading(self) -> None:
        if not self.is_read and not self._transport.is_closing():
            self.is_read = True
            self._transport.resume_reading()
