"""Back-pressure of one connection: neither side buffers without limit."""

from __future__ import annotations

import asyncio


class ConnectionFlow:
    """Whether a connection is read, and whether what was written to it waits to be sent."""

    __slots__ = ("_transport", "_writable", "is_read", "paused")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._writable: asyncio.Event | None = None
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

    def pause_reading(self) -> None:
        if self.is_read:
            self.is_read = False
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        if not self.is_read and not self._transport.is_closing():
            self.is_read = True
            self._transport.resume_reading()
