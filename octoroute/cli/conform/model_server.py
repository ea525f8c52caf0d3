"""A scripted model server on a real socket: every byte that it sends, and when, is decided by the check that runs.

It speaks HTTP/1.1 and OpenAI's Chat Completions, one request a connection. A check gives it the script of the next requests; a
request without a script gets a plain answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import socket
import struct
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, cast

import msgspec

MAX_REQUEST_BYTES = 64 * 1024 * 1024
HEAD_TIMEOUT_S = 30.0
MODEL = "conform"
"""What the gateway has to ask for, unless the user gives a name."""

_MODELS = json.dumps({"object": "list", "data": [{"id": MODEL, "object": "model", "created": 0, "owned_by": MODEL}]}).encode()
"""Gateways probe it."""
_LENGTH = re.compile(rb"(?im)^content-length:[ \t]*(\d+)[ \t]*\r?$")
_CHUNKED = re.compile(rb"(?im)^transfer-encoding:.*chunked[ \t]*\r?$")
_REASONS: Mapping[int, str] = {
    200: "OK",
    400: "Bad Request",
    404: "Not Found",
    429: "Too Many Requests",
    500: "Internal Server Error",
}


class SeenRequest(msgspec.Struct, frozen=True):
    """A request as it arrived."""

    method: str
    path: str
    body: bytes

    @property
    def fields(self) -> Mapping[str, Any]:
        """The JSON object of the body; empty if it is none."""
        with contextlib.suppress(ValueError, RecursionError):
            if isinstance(found := json.loads(self.body), dict):
                return cast("dict[str, Any]", found)
        return {}

    @property
    def is_stream(self) -> bool:
        return self.fields.get("stream") is True


class ScriptedExchange:
    """One request that is being answered, for a script."""

    def __init__(self, seen: SeenRequest, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.seen = seen
        self._reader = reader
        self._writer = writer

    def head(self, status: int = 200, content_type: str = "text/event-stream", headers: Mapping[str, str] | None = None) -> None:
        """The body that follows ends with the connection."""
        lines = [f"HTTP/1.1 {status} {_REASONS.get(status, 'Status')}", f"content-type: {content_type}", "connection: close"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        self._writer.write("\r\n".join([*lines, "", ""]).encode())

    def answer(self, status: int, body: bytes, content_type: str = "application/json", **headers: str) -> None:
        """A whole response. Underscores in the names of `headers` stand for hyphens."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.head(status, content_type, {"content-length": str(len(body)), **named})
        self._writer.write(body)

    async def send(self, data: bytes) -> None:
        """Raises ConnectionError if the gateway has closed the connection."""
        self._writer.write(data)
        await self._writer.drain()

    async def event(self, body: Mapping[str, Any]) -> None:
        await self.send(b"data: %b\n\n" % json.dumps(body, ensure_ascii=False).encode())

    async def done(self) -> None:
        await self.send(b"data: [DONE]\n\n")

    def reset(self) -> None:
        """Close with a reset, as the kernel does for a process that was killed."""
        with contextlib.suppress(OSError):
            self._writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()

    async def gone(self) -> None:
        """Until the gateway closes the connection."""
        with contextlib.suppress(ConnectionError):
            while await self._reader.read(4096):
                pass


Script = Callable[[ScriptedExchange], Awaitable[None]]


class ModelServers:
    """All scripted servers of a run. They share the scripts: whichever is asked first follows the first one."""

    def __init__(self, plain: Script) -> None:
        """`plain`: answers a request for which there is no script."""
        self._plain = plain
        self._scripts: deque[Script] = deque()
        self._servers: list[asyncio.Server] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self.seen: list[tuple[int, SeenRequest]] = []
        """The chat requests since the last `follow`, with the index of the server."""
        self.unknown_path: str | None = None
        """What the gateway asked for since the last `follow` and these servers do not speak."""

    async def start(self, host: str, ports: list[int]) -> list[int]:
        """Return the ports, which are free ones where 0 was given. Raises OSError if one is taken."""
        for index, port in enumerate(ports):

            async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, index: int = index) -> None:
                await self._serve(index, reader, writer)

            self._servers.append(await asyncio.start_server(serve, host, port))
        return [server.sockets[0].getsockname()[1] for server in self._servers]

    def follow(self, *scripts: Script) -> None:
        """The next requests follow these scripts, in this order. What earlier checks left is forgotten."""
        self._scripts = deque(scripts)
        self.seen = []
        self.unknown_path = None

    async def stop(self) -> None:
        for server in self._servers:
            server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, index: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            async with asyncio.timeout(HEAD_TIMEOUT_S):
                seen = await _read_request(reader)
            if seen is None:
                return
            exchange = ScriptedExchange(seen, reader, writer)
            path = seen.path.rstrip("/")
            if path.endswith("/chat/completions"):
                self.seen.append((index, seen))
                await (self._scripts.popleft() if self._scripts else self._plain)(exchange)
            elif path.endswith("/models"):
                exchange.answer(200, _MODELS)
            else:
                if seen.method == "POST":  # whatever else it looks at, it can do without
                    self.unknown_path = seen.path
                exchange.answer(404, b'{"error": {"message": "no such route", "type": "invalid_request_error"}}')
            await writer.drain()
        except asyncio.CancelledError:
            pass  # the run has ended
        except (ConnectionError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
            pass  # a gateway that gave up, or a scanner of ports; what it means is for the check to say
        finally:
            self._tasks.discard(task)
            writer.close()


async def _read_request(reader: asyncio.StreamReader) -> SeenRequest | None:
    """None: the connection was closed before a request. Raises ValueError and what a StreamReader raises."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        if error.partial:
            raise
        return None
    method, target, *_ = head.decode("latin-1").split(" ", 2)
    path = target.partition("?")[0]
    if _CHUNKED.search(head):
        return SeenRequest(method, path, await _read_chunks(reader))
    length = int(found[1]) if (found := _LENGTH.search(head)) else 0
    if length > MAX_REQUEST_BYTES:
        raise ValueError("too large")
    return SeenRequest(method, path, await reader.readexactly(length))


async def _read_chunks(reader: asyncio.StreamReader) -> bytes:
    body = bytearray()
    while size := int((await reader.readline()).partition(b";")[0], 16):
        if len(body) + size > MAX_REQUEST_BYTES:
            raise ValueError("too large")
        body += await reader.readexactly(size)
        await reader.readline()
    while (await reader.readline()).strip():
        pass  # trailers
    return bytes(body)
