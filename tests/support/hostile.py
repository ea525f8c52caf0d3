"""A server on a real socket that does exactly what its script says, and counts the open connections."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field


class Peer:
    """One accepted connection, as a script sees it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, server: Server, number: int) -> None:
        self.reader = reader
        self.writer = writer
        self.server = server
        self.number = number
        """0 for the first connection the server accepted."""

    async def request(self) -> Seen:
        """The next request, head and body. Raises IncompleteReadError when there is none."""
        seen = Seen(await self.reader.readuntil(b"\r\n\r\n"))
        self.server.heads += 1
        if length := seen.header("content-length"):
            seen.body = await self.reader.readexactly(int(length))
        self.server.requests.append(seen)
        return seen

    async def send(self, *pieces: bytes, pause_s: float = 0.0) -> None:
        """Each piece in a packet of its own when there is a pause between them."""
        for piece in pieces:
            if self.writer.is_closing():
                raise ConnectionResetError
            self.writer.write(piece)
            await self.writer.drain()
            self.server.sent += len(piece)
            if pause_s:
                await asyncio.sleep(pause_s)

    async def dribble(self, data: bytes, pause_s: float = 0.0) -> None:
        for i in range(len(data)):
            await self.send(data[i : i + 1])
            await asyncio.sleep(pause_s)

    def half_close(self) -> None:
        self.writer.write_eof()

    def close(self) -> None:
        self.writer.close()

    def reset(self) -> None:
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


@dataclass
class Seen:
    head: bytes
    body: bytes = b""

    @property
    def line(self) -> str:
        return self.head.split(b"\r\n", 1)[0].decode()

    def header(self, name: str) -> str | None:
        for line in self.head.split(b"\r\n")[1:]:
            key, _, value = line.decode().partition(":")
            if key.lower() == name:
                return value.strip()
        return None


Script = Callable[[Peer], Awaitable[None]]


@dataclass
class Server:
    port: int = 0
    tls: bool = False
    open: int = 0
    """Connections the client has not let go of."""
    accepted: int = 0
    sent: int = 0
    heads: int = 0
    requests: list[Seen] = field(default_factory=list)

    def url(self, path: str = "/v1/chat", host: str = "127.0.0.1") -> str:
        return f"{'https' if self.tls else 'http'}://{host}:{self.port}{path}"

    async def deserted(self, within_s: float = 1.0) -> bool:
        """Whether every client has gone."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while self.open:
                    await asyncio.sleep(0.005)
        return not self.open


@contextlib.asynccontextmanager
async def serving(
    script: Script, tls: ssl.SSLContext | None = None, listener: socket.socket | None = None
) -> AsyncIterator[Server]:
    """`listener`: a bound socket, where the address matters."""
    state = Server(tls=tls is not None)
    tasks: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        state.open += 1
        state.accepted += 1
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                await script(Peer(reader, writer, state, state.accepted - 1))
                while not writer.is_closing() and await reader.read(65536):
                    pass
        except asyncio.CancelledError:
            pass
        finally:
            state.open -= 1
            tasks.discard(task)
            writer.close()
            with contextlib.suppress(ConnectionError, ssl.SSLError, asyncio.CancelledError, TimeoutError):
                await writer.wait_closed()

    where = {"sock": listener} if listener else {"host": "127.0.0.1", "port": 0}
    server = await asyncio.start_server(connected, **where, ssl=tls, backlog=512)
    state.port = server.sockets[0].getsockname()[1]
    try:
        yield state
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def answer(body: bytes = b"fine", status: str = "200 OK", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"content-length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def chunked(*pieces: bytes, end: bytes = b"0\r\n\r\n", headers: str = "") -> bytes:
    return f"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n{headers}\r\n".encode() + b"".join(
        b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces
    ) + end  # fmt: skip
