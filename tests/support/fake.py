"""A scripted endpoint on a real socket: every byte it sends, and when, is the test's decision.

A step is a coroutine function of one `Exchange`. Steps put in with `then` are used up one a request; `always` says what comes after.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import struct
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

REASONS = {200: "OK", 400: "Bad Request", 429: "Too Many Requests", 500: "Internal Server Error"}
DONE = b"data: [DONE]\n\n"


@dataclass
class Seen:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    connection: int
    at: float = field(default_factory=time.monotonic)

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Exchange:
    """One request being answered."""

    def __init__(self, fake: Fake, wire: _Wire, seen: Seen) -> None:
        self.fake = fake
        self.seen = seen
        self._wire = wire
        self.gone = wire.gone
        """Set when the other side has closed or reset the connection."""

    def write(self, data: bytes) -> None:
        if not self._wire.transport.is_closing():
            self._wire.transport.write(data)

    def chunk(self, data: bytes) -> None:
        if data:
            self.write(b"%x\r\n%b\r\n" % (len(data), data))

    def head(self, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        lines = [f"HTTP/1.1 {status} {REASONS.get(status, 'Some Reason')}"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        self.write(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))

    async def flushed(self) -> None:
        """Until the kernel has it all, so that a reset does not overtake it."""
        await self._wire.flushed.wait()

    def close(self) -> None:
        self._wire.transport.close()

    def reset(self) -> None:
        """RST instead of FIN."""
        sock = self._wire.transport.get_extra_info("socket")
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._wire.transport.abort()


Step = Callable[[Exchange], Awaitable[None]]


class _Wire(asyncio.Protocol):
    def __init__(self, fake: Fake) -> None:
        self._fake = fake
        self._buffer = bytearray()
        self._arrived = asyncio.Event()
        self.gone = asyncio.Event()
        self.flushed = asyncio.Event()
        self.flushed.set()
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.set_write_buffer_limits(high=0)
        self._fake.connections += 1
        self._number = self._fake.connections
        self._fake.wires.add(self)
        self._fake.run(self._serve())

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        self._arrived.set()

    def pause_writing(self) -> None:
        self.flushed.clear()

    def resume_writing(self) -> None:
        self.flushed.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self._fake.wires.discard(self)
        self._fake.lost_at.append(time.monotonic())
        self.gone.set()
        self.flushed.set()
        self._arrived.set()

    async def _more(self) -> bool:
        self._arrived.clear()
        if self.gone.is_set():
            return False
        await self._arrived.wait()
        return not self.gone.is_set()

    async def _serve(self) -> None:
        while not self.gone.is_set():
            while b"\r\n\r\n" not in self._buffer:
                if not await self._more():
                    return
            head, _, _ = bytes(self._buffer).partition(b"\r\n\r\n")
            first, *rest = head.decode("latin-1").split("\r\n")
            method, path, _ = first.split(" ")
            headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in rest)}
            length = int(headers.get("content-length", "0"))
            start = len(head) + 4
            while len(self._buffer) < start + length:
                if not await self._more():
                    return
            body = bytes(self._buffer[start : start + length])
            del self._buffer[: start + length]
            await self._fake.take(Exchange(self._fake, self, Seen(method, path, headers, body, self._number)))


class Fake:
    def __init__(self, name: str = "fake") -> None:
        self.name = name
        self.requests: list[Seen] = []
        """Questions; GETs of /models are in `probes`."""
        self.probes: list[Seen] = []
        self.connections = 0
        self.lost_at: list[float] = []
        self.wires: set[_Wire] = set()
        self.in_flight = 0
        self.most_in_flight = 0
        self.models: Step = whole({"object": "list", "data": []})
        self.port = 0
        self._script: deque[Step] = deque()
        self._default: Step = whole(completion(f"hello from {name}"))
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def open_connections(self) -> int:
        return len(self.wires)

    def then(self, *steps: Step) -> Fake:
        self._script.extend(steps)
        return self

    def always(self, step: Step) -> Fake:
        self._default = step
        return self

    async def start(self, host: str = "127.0.0.1") -> Fake:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Wire(self), host, self.port, backlog=512)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def kill(self) -> None:
        """As a process that dies: nothing listens any more, and every connection is reset."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for wire in list(self.wires):
            sock = wire.transport.get_extra_info("socket")
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            wire.transport.abort()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        await asyncio.sleep(0)

    def run(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def take(self, exchange: Exchange) -> None:
        if exchange.seen.method == "GET":
            self.probes.append(exchange.seen)
            await self.models(exchange)
            return
        self.requests.append(exchange.seen)
        step = self._script.popleft() if self._script else self._default
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            await step(exchange)
        finally:
            self.in_flight -= 1

    async def hung_up_on(self, within_s: float = 1.0) -> None:
        """Until no connection is left open."""
        async with asyncio.timeout(within_s):
            while self.wires:
                await asyncio.sleep(0.005)

    async def asked(self, times: int = 1, within_s: float = 5.0) -> None:
        async with asyncio.timeout(within_s):
            while len(self.requests) < times:
                await asyncio.sleep(0.002)


# steps


def whole(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Step:
    """One answer with a length. `body`: bytes, or anything JSON."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()

    async def step(exchange: Exchange) -> None:
        exchange.head(status, {"content-type": "application/json", "content-length": str(len(data)), **(headers or {})})
        exchange.write(data)

    return step


def error(status: int, message: str = "no", headers: Mapping[str, str] | None = None, **more: Any) -> Step:
    return whole({"error": {"message": message, "type": "some_error", "param": None, "code": None, **more}}, status, headers)


def stream(
    pieces: Iterable[bytes | float],
    *,
    end: str = "chunked",
    headers: Mapping[str, str] | None = None,
    status: int = 200,
    content_type: str = "text/event-stream",
) -> Step:
    """Bytes as given, each written on its own; a number is a pause in seconds.

    `end`: chunked (a proper end), close (no length: the end of the connection is the end), cut (the chunked body is never
    finished), reset (RST), hang (silence until the other side leaves).
    """
    script = list(pieces)

    async def step(exchange: Exchange) -> None:
        framing = {"connection": "close"} if end == "close" else {"transfer-encoding": "chunked"}
        exchange.head(status, {"content-type": content_type, **framing, **(headers or {})})
        for piece in script:
            if isinstance(piece, bytes):
                if end == "close":
                    exchange.write(piece)
                else:
                    exchange.chunk(piece)
                await asyncio.sleep(0)
            else:
                await _pause(exchange, piece)
            if exchange.gone.is_set():
                return
        await exchange.flushed()
        match end:
            case "chunked":
                exchange.write(b"0\r\n\r\n")
            case "cut" | "close":
                exchange.close()
            case "reset":
                await asyncio.sleep(0.05)  # a reset discards what the reader has not read yet
                exchange.reset()
            case _:
                await exchange.gone.wait()

    return step


async def _pause(exchange: Exchange, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await exchange.gone.wait()


async def hang(exchange: Exchange) -> None:
    """Says nothing at all."""
    await exchange.gone.wait()


async def reset(exchange: Exchange) -> None:
    exchange.reset()


async def close(exchange: Exchange) -> None:
    exchange.close()


def raw(data: bytes, *, then_close: bool = True) -> Step:
    async def step(exchange: Exchange) -> None:
        exchange.write(data)
        if then_close:
            exchange.close()

    return step


def slowly(step: Step, before_s: float) -> Step:
    async def delayed(exchange: Exchange) -> None:
        await _pause(exchange, before_s)
        if not exchange.gone.is_set():
            await step(exchange)

    return delayed


def when(event: asyncio.Event, step: Step) -> Step:
    """`step`, once `event` is set."""

    async def gated(exchange: Exchange) -> None:
        gone = asyncio.ensure_future(exchange.gone.wait())
        ready = asyncio.ensure_future(event.wait())
        await asyncio.wait({gone, ready}, return_when=asyncio.FIRST_COMPLETED)
        gone.cancel()
        ready.cancel()
        if not exchange.gone.is_set():
            await step(exchange)

    return gated


def by_wish(exchange: Exchange) -> Awaitable[None]:
    """An ordinary server: streams if the request asks for it, otherwise a whole answer."""
    asked = exchange.seen.json
    step = stream(tokens(["one", "two", "three"])) if asked.get("stream") else whole(completion("one two three"))
    return step(exchange)


# what OpenAI-compatible servers say


def completion(text: str = "hello", **more: Any) -> dict[str, Any]:
    message = {"role": "assistant", "content": text, "refusal": None}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1700000000,
        "model": "upstream-model",
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10},
        **more,
    }


def chunk(delta: Mapping[str, Any], finish: str | None = None, **more: Any) -> bytes:
    return event(
        {
            "id": "chatcmpl-1",
            "object": "chat.completion.chunk",
            "created": 1700000000,
            "model": "upstream-model",
            "choices": [{"index": 0, "delta": dict(delta), "finish_reason": finish}],
            **more,
        }
    )


def event(value: Any, name: str | None = None) -> bytes:
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return (b"" if name is None else b"event: " + name.encode() + b"\n") + b"data: " + data + b"\n\n"


def tokens(words: Iterable[str] = ("one", "two", "three"), *, usage: bool = False) -> list[bytes]:
    """A proper stream, a frame an item."""
    frames = [chunk({"role": "assistant", "content": ""})]
    frames += [chunk({"content": word + " "}) for word in words]
    frames.append(chunk({}, "stop"))
    if usage:
        told = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
        frames.append(event({"id": "chatcmpl-1", "object": "chat.completion.chunk", "choices": [], "usage": told}))
    return [*frames, DONE]
