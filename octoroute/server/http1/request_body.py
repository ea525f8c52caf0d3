"""The body of one request, as it arrives on a connection; the connection is read no further while too much of it waits."""

from __future__ import annotations

import asyncio

from octoroute.server.http1.flow_control import ConnectionFlow

MAX_HELD_BYTES = 65536
"""The connection is not read further while more than this waits to be taken."""
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class IncomingBody:
    """The pieces of one body between connection and application."""

    __slots__ = ("_arrived", "_flow", "_headers", "_held_bytes", "_is_taken", "_pieces", "complete")

    def __init__(self, flow: ConnectionFlow, headers: list[tuple[bytes, bytes]]) -> None:
        self._flow = flow
        self._headers = headers
        """Looked at for `expect`, and emptied, when the body is first waited for."""
        self._pieces: list[bytes] = []
        self._held_bytes = 0
        self._is_taken = False
        """The last piece has been taken."""
        self._arrived: asyncio.Event | None = None
        self.complete = False
        """All of the body has arrived."""

    def feed(self, data: bytes) -> None:
        self._pieces.append(data)
        self._held_bytes += len(data)
        if self._held_bytes > MAX_HELD_BYTES:
            self._flow.pause_reading()
        if self._arrived is not None:
            self._arrived.set()

    def finish(self) -> None:
        self.complete = True
        if self._arrived is not None:
            self._arrived.set()

    def wake(self) -> None:
        """End the wait of `wait`."""
        if self._arrived is not None:
            self._arrived.set()

    def take(self) -> bytes:
        """Return what has arrived since the last call."""
        pieces = self._pieces
        data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        self._held_bytes = 0
        self._is_taken = self.complete
        return data

    def take_all(self) -> bytes | None:
        """Return the whole body, once; None: some of it has not arrived, or it has been taken."""
        if not self.complete or self._is_taken:
            return None
        self._is_taken = True
        pieces, self._pieces, self._held_bytes = self._pieces, [], 0
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    @property
    def can_be_taken(self) -> bool:
        """Data has arrived, or the end has, and `take` has not returned it."""
        return bool(self._pieces) or (self.complete and not self._is_taken)

    def expects_continue(self) -> bool:
        """True, once, if the client waits for `100 Continue` before it sends the body (RFC 9110, 10.1.1)."""
        if self.complete:
            return False
        headers, self._headers = self._headers, []
        return any(name == b"expect" and value.lower() == b"100-continue" for name, value in headers)

    async def wait(self) -> None:
        """Wait for data, the end, or `wake`."""
        self._flow.resume_reading()
        if self._arrived is None:
            self._arrived = asyncio.Event()
        self._arrived.clear()
        await self._arrived.wait()
