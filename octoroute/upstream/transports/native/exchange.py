"""A request under way and its answer: what came in so far, and who waits for more."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from typing import Any, Protocol

from octoroute.errors import BadUpstreamResponse
from octoroute.upstream.transports.base import Sink
from octoroute.upstream.transports.content import ResponseBody, undo


class FlowControl(Protocol):
    """What an exchange needs of its connection."""

    paused: bool
    """It waits for room."""

    def resume(self) -> None:
        """There is room for more bytes."""
        ...

    def drop(self) -> None:
        """Nobody will read on."""
        ...


class ClientExchange(ResponseBody):
    """An Answer, from before its head has come. It lets go of its connection when the last byte is here, read or not."""

    __slots__ = (
        "_loop",
        "buffer",
        "connection",
        "ended",
        "fault",
        "headed",
        "headers",
        "sink",
        "size",
        "status",
        "untaken",
        "waiter",
    )

    def __init__(self, connection: FlowControl, loop: asyncio.AbstractEventLoop) -> None:
        """`loop`: asking asyncio for it costs a system call each time (Python 3.11)."""
        self._inflater = None
        self._loop = loop
        self.connection: FlowControl | None = connection
        self.status = 0
        self.headers: Mapping[str, str] = {}
        self.buffer: list[bytes] = []
        self.size = 0
        self.waiter: asyncio.Future[None] | None = None
        self.sink: Sink | None = None
        """Who takes what arrives now."""
        self.headed = self.ended = self.untaken = False
        self.fault: BadUpstreamResponse | None = None

    async def head(self) -> bool:
        """Whether there is an answer; False when the request was not taken and may be sent again."""
        while not self.headed:
            if self.untaken:
                return False
            if self.fault is not None:
                raise self.fault
            self.waiter = waiter = self._loop.create_future()
            await waiter
        return True

    def undo_encoding(self) -> None:
        headers = dict(self.headers)
        self._inflater = undo(headers)
        self.headers = headers

    async def body(self, limit: int) -> bytes:
        if self.ended and self._inflater is None and self.size <= limit:  # it came whole, as most do
            data = b"".join(self.buffer)
            self.buffer.clear()
            return data
        return await super().body(limit)

    async def _raw(self) -> bytes:
        buffer = self.buffer
        while not buffer:
            if self.ended:
                return b""
            if self.fault is not None:
                raise self.fault
            self.waiter = waiter = self._loop.create_future()
            await waiter
        data = buffer[0] if len(buffer) == 1 else b"".join(buffer)
        buffer.clear()
        self.size = 0
        if self.connection is not None and self.connection.paused:
            self.connection.resume()
        return data

    def flow(self, sink: Sink) -> Coroutine[Any, Any, bytes | None]:
        return self._flow(sink) if self._inflater is None else self.chunk()

    async def _flow(self, sink: Sink) -> bytes | None:
        if self.buffer or self.ended or self.fault is not None:
            return await self._raw()
        self.waiter = waiter = self._loop.create_future()
        self.sink = sink
        try:
            await waiter
            if self.sink is None:
                return None
        finally:
            self.sink = None
        return await self._raw()

    def pour(self, sink: Sink) -> None:
        """What has arrived goes to `sink`; whoever waits is woken when that has enough."""
        buffer = self.buffer
        data = buffer[0] if len(buffer) == 1 else b"".join(buffer)
        buffer.clear()
        self.size = 0
        if not sink(data):
            self.sink = None
            self.wake()

    def wake(self) -> None:
        waiter, self.waiter = self.waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def end(self, fault: BadUpstreamResponse | None = None) -> None:
        """No more will come."""
        self.connection = None
        if fault is None:
            self.ended = True
        elif not self.ended:
            self.fault = fault
        if self.waiter is not None:
            self.wake()

    def close(self) -> None:
        connection = self.connection
        self.buffer.clear()
        if connection is not None:
            connection.drop()
            self.end(BadUpstreamResponse("the answer was closed by its reader"))
