"""A request under way and its response: the bytes received so far, and the task that waits for more."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from typing import Any, Protocol

from octoroute.errors import BadUpstreamResponse
from octoroute.upstream.transports.base import Sink
from octoroute.upstream.transports.content import ResponseBody, inflater_for


class FlowControl(Protocol):
    """The part of a connection that its exchange uses."""

    loop: asyncio.AbstractEventLoop
    """Kept, because finding it costs a system call each time (Python 3.11)."""
    paused: bool
    """It has stopped reading, until the buffer is empty again."""

    def resume(self) -> None:
        """Read on."""
        ...

    def drop(self) -> None:
        """Close the connection: the rest of the response is not read."""
        ...


class ClientExchange(ResponseBody):
    """A `TransportResponse`, from before its head has come. Its connection is free once the last byte is here, read or not."""

    __slots__ = (
        "buffer",
        "connection",
        "ended",
        "fault",
        "has_head",
        "headers",
        "sink",
        "size",
        "status",
        "unread",
        "waiter",
    )

    def __init__(self, connection: FlowControl) -> None:
        self._inflater = None
        self.connection: FlowControl | None = connection
        self.status = 0
        self.headers: Mapping[str, str] = {}
        self.buffer: list[bytes] = []
        self.size = 0
        self.waiter: asyncio.Future[None] | None = None
        self.sink: Sink | None = None
        """Takes the bytes that arrive now; None: they are buffered."""
        self.has_head = self.ended = self.unread = False
        self.fault: BadUpstreamResponse | None = None

    async def head(self) -> bool:
        """Wait for the head. False: no server has read the request, and it may be sent again."""
        while not self.has_head:
            if self.unread:
                return False
            if self.fault is not None:
                raise self.fault
            self.waiter = waiter = self._future()
            await waiter
        return True

    def undo_encoding(self) -> None:
        headers = dict(self.headers)
        self._inflater = inflater_for(headers)
        self.headers = headers

    async def body(self, limit: int) -> bytes:
        if self.ended and self._inflater is None and self.size <= limit:  # most responses are here at once
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
            self.waiter = waiter = self._future()
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
        self.waiter = waiter = self._future()
        self.sink = sink
        try:
            await waiter
            if self.sink is None:
                return None
        finally:
            self.sink = None
        return await self._raw()

    def deliver(self, sink: Sink) -> None:
        """Hand the buffered bytes to `sink`; wake the waiting task when the sink takes no more."""
        buffer = self.buffer
        data = buffer[0] if len(buffer) == 1 else b"".join(buffer)
        buffer.clear()
        self.size = 0
        if not sink(data):
            self.sink = None
            self.wake()

    def _future(self) -> asyncio.Future[None]:
        assert self.connection is not None  # the transfer is not over
        return self.connection.loop.create_future()

    def wake(self) -> None:
        waiter, self.waiter = self.waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def end(self, fault: BadUpstreamResponse | None = None) -> None:
        """The transfer is over; `fault`: the error it ended with."""
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
