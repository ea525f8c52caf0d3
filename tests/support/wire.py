"""A client's connection in plain bytes, fast enough for hundreds of thousands of requests, and free to leave at any moment."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from typing import NamedTuple
from urllib.parse import urlsplit

ROOM_BYTES = 64 * 1024
SEGMENT = 1460
"""What a real network's packets carry. Loopback's 64 KB would let the server's kernel buffer megabytes for one slow reader."""


class Head(NamedTuple):
    status: int
    headers: dict[str, str]


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


class Wire:
    """Opened with the first request, and again when an answer has closed it."""

    def __init__(self, url: str, *, room_bytes: int = ROOM_BYTES) -> None:
        """`room_bytes`: half of what is read ahead of the reader; the kernel reads about as much."""
        address = urlsplit(url)
        self._address = (address.hostname, address.port)
        self._room_bytes = room_bytes
        self._writer: asyncio.StreamWriter | None = None
        self._head = Head(0, {})

    async def send(self, request: bytes) -> None:
        if self._writer is None:
            sock = socket.socket()
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._room_bytes < ROOM_BYTES:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, SEGMENT)
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._room_bytes)
            await asyncio.get_running_loop().sock_connect(sock, self._address)
            self._reader, self._writer = await asyncio.open_connection(sock=sock, limit=self._room_bytes)
        self._writer.write(request)

    async def head(self) -> Head:
        first, *rest = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in rest[:-2])}
        self._head = Head(int(first.split(" ", 2)[1]), headers)
        return self._head

    async def pieces(self) -> AsyncIterator[bytes]:
        """The body, as it comes. Raises IncompleteReadError when it is cut short."""
        headers = self._head.headers
        if headers.get("transfer-encoding") == "chunked":
            while size := int(await self._reader.readuntil(b"\r\n"), 16):
                yield (await self._reader.readexactly(size + 2))[:-2]
            await self._reader.readexactly(2)
        else:
            yield await self._reader.readexactly(int(headers["content-length"]))
        if headers.get("connection") == "close":
            self.close()

    async def ask(self, request: bytes) -> Answer:
        await self.send(request)
        status, headers = await self.head()
        return Answer(status, headers, b"".join([piece async for piece in self.pieces()]))

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def reset(self) -> None:
        """RST instead of FIN."""
        if self._writer is not None:
            sock = self._writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._writer.transport.abort()
            self._writer = None
