"""A model server in a process of its own, which can be killed, stopped and continued, restarted on its port, and slowed down.

    python tests/torture/endpoint.py PORT        0: a free one, which it prints

How it answers is the client's wish, which stands in the last message as JSON (`Wish`), so that it survives every translation.
Its answers name the request they belong to, word by word. `GET /count` says what is going on, `GET /slow/SECONDS` makes all
further answers begin later.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import os
import signal
import socket
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.support.fake import DONE, Exchange, Fake, chunk, completion, error, event, whole  # noqa: E402 - run as a script it must find them first

KERNEL_BYTES = 64 * 1024
"""What the kernel may keep of an answer that nobody takes. Left to itself it keeps megabytes: nothing would be held back."""
SEGMENT = 1460
"""What a real network's packets carry. Loopback's are of 64 KB, for which a window that was full never opens wide enough: the
sender hears of it when it asks, and it asks once in minutes.
"""


@dataclass(frozen=True)
class Wish:
    """What a request wants to be answered with. `id` is the request's."""

    id: str
    words: int = 5
    before_s: float = 0.0
    pace_s: float = 0.0
    status: int = 200
    breaks_after: int | None = None
    """So many words of a stream, and then the connection is closed."""
    large_bytes: int = 0
    """Instead of words: a stream of about so many bytes."""
    filling: str = ""
    """Makes the prompt longer."""

    @property
    def text(self) -> str:
        return "".join(word(self.id, number) for number in range(self.words))

    def message(self) -> str:
        return json.dumps({name: value for name, value in asdict(self).items() if value != getattr(Wish, name, None)})


def word(request_id: str, number: int) -> str:
    return f"{request_id}-{number} "


@functools.lru_cache(maxsize=1)
def large(size: int) -> tuple[bytes, ...]:
    """The frames of a stream, numbered, so that a lost, doubled, or swapped one shows."""
    filling = "x" * 16_000
    middle = [chunk({"content": f"{number} {filling}"}) for number in range(size // len(filling))]
    return (chunk({"role": "assistant", "content": ""}), *middle, chunk({}, "stop") + DONE)


class Server:
    def __init__(self) -> None:
        self.fake = Fake().always(self.answer)
        self.fake.models = self.told
        self.asked: list[str] = []
        self.slow_s = 0.0
        self.sent = 0

    async def answer(self, exchange: Exchange) -> None:
        body = exchange.seen.json
        self.fake.requests.clear()
        wish = Wish(**json.loads(_text(body["messages"][-1]["content"])))
        self.asked.append(wish.id)
        if wish.before_s or self.slow_s:
            await _pause(exchange, wish.before_s + self.slow_s)
        if wish.status != 200:
            # Without a time to wait, a 429 would rest this endpoint for everybody.
            headers = {"retry-after": "0"} if wish.status == 429 else None
            await error(wish.status, f"{wish.id} wished for it", headers)(exchange)
        elif wish.large_bytes:
            await self._pour(exchange, wish)
        elif body.get("stream"):
            await _stream(exchange, wish, usage=(body.get("stream_options") or {}).get("include_usage", False))
        else:
            await whole(completion(wish.text, usage=_usage(wish)))(exchange)

    async def _pour(self, exchange: Exchange, wish: Wish) -> None:
        _begin(exchange)
        for frame in large(wish.large_bytes):
            exchange.chunk(frame)
            await exchange.flushed()
            if exchange.gone.is_set():
                return
            self.sent += len(frame)
        exchange.write(b"0\r\n\r\n")

    async def told(self, exchange: Exchange) -> None:
        self.fake.probes.clear()
        self.fake.lost_at.clear()
        path = exchange.seen.path
        if path.startswith("/slow/"):
            self.slow_s = float(path.removeprefix("/slow/"))
        said: dict[str, Any] = {"object": "list", "data": []}
        if path == "/count":
            said = {"busy": self.fake.in_flight, "connections": self.fake.open_connections - 1, "sent": self.sent}
        elif path == "/asked":
            said = {"asked": self.asked}
        await whole(said)(exchange)


def _text(content: Any) -> str:
    return content if isinstance(content, str) else content[0]["text"]


def _usage(wish: Wish) -> dict[str, int]:
    return {"prompt_tokens": 7, "completion_tokens": wish.words, "total_tokens": 7 + wish.words}


def _begin(exchange: Exchange) -> None:
    exchange.head(200, {"content-type": "text/event-stream", "transfer-encoding": "chunked"})


async def _stream(exchange: Exchange, wish: Wish, *, usage: bool) -> None:
    _begin(exchange)
    exchange.chunk(chunk({"role": "assistant", "content": ""}))
    for number in range(wish.words):
        if number == wish.breaks_after:
            exchange.close()
            return
        exchange.chunk(chunk({"content": word(wish.id, number)}))
        if wish.pace_s:
            await _pause(exchange, wish.pace_s)
        if exchange.gone.is_set():
            return
    exchange.chunk(chunk({}, "stop"))
    if usage:
        exchange.chunk(event({"id": "chatcmpl-1", "object": "chat.completion.chunk", "choices": [], "usage": _usage(wish)}))
    exchange.chunk(DONE)
    exchange.write(b"0\r\n\r\n")


async def _pause(exchange: Exchange, seconds: float) -> None:
    """Or until the other side has left."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await exchange.gone.wait()


async def serve(port: int) -> None:
    server = Server()
    server.fake.port = port
    await server.fake.start()
    assert server.fake._server is not None
    listener = server.fake._server.sockets[0]  # whose options its connections inherit
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, KERNEL_BYTES)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, SEGMENT)
    print(server.fake.port, flush=True)  # noqa: T201 - who started it waits for this
    await asyncio.Event().wait()


class Endpoint:
    """Such a process, and what is done to it."""

    def __init__(self, id: str) -> None:
        self.id = id
        self.port = 0
        self._process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    async def start(self) -> Endpoint:
        """On the port it had, if it had one."""
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            __file__,
            str(self.port),
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=asyncio.subprocess.PIPE,
        )
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        if not line:
            raise AssertionError(f"endpoint {self.id} has not started")
        self.port = int(line)
        return self

    async def kill(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    def pause(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    async def slow(self, seconds: float) -> None:
        await self._get(f"/slow/{seconds}")

    async def count(self) -> dict[str, int]:
        """busy: answers under way. connections: open ones. sent: bytes of large streams that left."""
        return await self._get("/count")

    async def asked(self) -> list[str]:
        """The ids of all requests it has seen."""
        return (await self._get("/asked"))["asked"]

    async def _get(self, path: str) -> Any:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(b"GET %b HTTP/1.1\r\nhost: localhost\r\n\r\n" % path.encode())
            head = await reader.readuntil(b"\r\n\r\n")
            return json.loads(await reader.readexactly(int(head.partition(b"content-length: ")[2].split(b"\r\n")[0])))
        finally:
            writer.close()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
