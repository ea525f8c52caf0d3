"""The gateway under test: in this process on an ephemeral port, or as the command a user starts."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx2
import tomli_w
from prometheus_client.parser import text_string_to_metric_families

from octoroute.config import Config, loads
from octoroute.server.app import App
from octoroute.server.process import reload
from octoroute.server.uvicorn_server import UvicornServer, address, bind, server_for
from tests.support.fake import Fake

ROOT = Path(__file__).resolve().parents[2]


def endpoint(fake: Fake | str, name: str = "model-a", **more: Any) -> dict[str, Any]:
    return {"name": name, "base_url": fake if isinstance(fake, str) else fake.url, **more}


def settings(
    fast: Sequence[Mapping[str, Any]] = (),
    balanced: Sequence[Mapping[str, Any]] = (),
    deep: Sequence[Mapping[str, Any]] = (),
    **tables: Mapping[str, Any],
) -> dict[str, Any]:
    """A configuration file as a dictionary. Background probes are off, and the rules decide, unless said otherwise."""
    models = {"fast": list(fast), "balanced": list(balanced), "deep": list(deep)}
    found: dict[str, Any] = {"models": {tier: rows for tier, rows in models.items() if rows}}
    found["health"] = {"interval_seconds": 0}
    found["routing"] = {"strategy": "rule"}
    for name, table in tables.items():
        found[name] = {**found.get(name, {}), **table}
    return found


def configured(tree: Mapping[str, Any]) -> Config:
    return loads(tomli_w.dumps(tree), Path("config.toml"), {})


class Clock:
    """Stands still until it is told to move."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def pass_(self, seconds: float) -> None:
        self.now += seconds


class LiveGateway:
    def __init__(self, app: App, server: UvicornServer, url: str) -> None:
        self.app = app
        self.url = url
        self.client = httpx2.AsyncClient(base_url=url, timeout=30, limits=httpx2.Limits(max_connections=None), trust_env=False)
        self._server = server

    @classmethod
    async def open(cls, tree: Mapping[str, Any] | Config, **parts: Any) -> LiveGateway:
        """`parts`: what App takes besides its configuration. uvicorn is started in steps: its own loop ticks every 100 ms."""
        app = App(tree if isinstance(tree, Config) else configured(tree), **parts)
        listener = bind("127.0.0.1", 0)
        url = address(listener)
        server = server_for(app)
        server.config.load()
        server.lifespan = server.config.lifespan_class(server.config)
        await server.startup(sockets=[listener])
        assert server.started
        return cls(app, server, url)

    async def close(self) -> None:
        await self.client.aclose()
        for listening in self._server.servers:
            listening.close()
        state = self._server.server_state
        for connection in list(state.connections):
            connection.transport.abort()
        tasks = list(state.tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._server.lifespan.shutdown()

    async def reload(self, tree: Mapping[str, Any]) -> None:
        await reload(self.app, lambda: configured(tree))

    async def ask(
        self, body: Any = None, path: str = "/v1/chat/completions", headers: Mapping[str, str] | None = None, **more: Any
    ) -> httpx2.Response:
        """A question. `body`: bytes as they are, a dictionary, or None for a small one; `more` changes a dictionary's fields."""
        if body is None:
            body = question()
        data = body if isinstance(body, bytes) else json.dumps({**body, **more}).encode()
        return await self.client.post(path, content=data, headers={"content-type": "application/json", **(headers or {})})

    async def get(self, path: str, **more: Any) -> httpx2.Response:
        return await self.client.get(path, **more)

    @contextlib.asynccontextmanager
    async def stream(
        self, body: Any = None, headers: Mapping[str, str] | None = None, **more: Any
    ) -> AsyncIterator[httpx2.Response]:
        data = body if isinstance(body, bytes) else json.dumps({**question(stream=True), **(body or {}), **more}).encode()
        asked = {"content-type": "application/json", **(headers or {})}
        async with self.client.stream("POST", "/v1/chat/completions", content=data, headers=asked) as response:
            yield response

    async def streamed(
        self, body: Any = None, headers: Mapping[str, str] | None = None, **more: Any
    ) -> tuple[httpx2.Response, bytes]:
        async with self.stream(body, headers, **more) as response:
            return response, b"".join([piece async for piece in response.aiter_raw()])

    def metric(self, name: str, **labels: str) -> float:
        """The sum of the samples with these labels."""
        return sum(
            value
            for (found, all_labels), value in self.metrics().items()
            if found == name and labels.items() <= dict(all_labels).items()
        )

    def metrics(self) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
        return samples(self.app.runtime.scraper.exposition.text().decode())

    async def row(self, endpoint_id: str) -> dict[str, Any]:
        """One row of GET /models."""
        rows = (await self.get("/models")).json()["models"]
        return next(row for row in rows if row["id"] == endpoint_id)

    def seconds_pass(self, count: int) -> None:
        """For the connections, as far as they count seconds."""
        for _ in range(count):
            self._server.second_passed()

    async def tick(self, counter: int) -> None:
        await self._server.on_tick(counter)

    async def quiet(self, within_s: float = 2.0) -> None:
        """Until nothing is in flight."""
        async with asyncio.timeout(within_s):
            while self.metric("octoroute_inflight_requests"):
                await asyncio.sleep(0.005)


def samples(text: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def question(text: str = "hello there", *, model: str = "auto", **more: Any) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": text}], **more}


def frames(data: bytes) -> list[Any]:
    """The events of an LF stream: JSON values, and the text [DONE]."""
    found: list[Any] = []
    for frame in data.split(b"\n\n"):
        if frame.startswith(b"data: "):
            text = frame[6:]
            found.append("[DONE]" if text == b"[DONE]" else json.loads(text))
    return found


async def talk(url: str, data: bytes, *, half_close: bool = False, within_s: float = 10.0) -> bytes:
    """Bytes out, and everything that comes back until the other side closes (or has said a whole answer with a length)."""
    host, port = url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    answer = b""
    try:
        async with asyncio.timeout(within_s):
            with contextlib.suppress(ConnectionError):
                writer.write(data)
                await writer.drain()
            if half_close:
                writer.write_eof()
            with contextlib.suppress(ConnectionError):
                while piece := await reader.read(65536):
                    answer += piece
                    if complete(answer):
                        break
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
    return answer


def complete(answer: bytes) -> bool:
    head, end, body = answer.partition(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head.lower())
    return bool(end and length and len(body) >= int(length[1]))


def post(body: bytes, path: str = "/v1/chat/completions", headers: str = "") -> bytes:
    head = (
        f"POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n{headers}\r\n"
    )
    return head.encode() + body


class Process:
    """`python -m octoroute -c FILE`, as a user starts it."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.pid = process.pid
        self.lines: list[bytes] = []
        self._news = asyncio.Event()
        self._reading = asyncio.ensure_future(self._read())
        self.url = ""

    @classmethod
    async def start(
        cls, directory: Path, tree: Mapping[str, Any], *, ready: bool = True, env: Mapping[str, str] | None = None
    ) -> Process:
        tree = {
            **tree,
            "server": {"port": 0, **tree.get("server", {})},
            "observability": {"log_format": "json", **tree.get("observability", {})},
        }
        path = directory / "config.toml"
        path.write_text(tomli_w.dumps(tree))
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "octoroute",
            "-c",
            str(path),
            cwd=directory,
            env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", **(env or {})},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=1 << 20,
        )
        found = cls(process)
        if ready:
            found.url = (await found.line("ready"))["url"]
        return found

    async def _read(self) -> None:
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            self.lines.append(line)
            self._news.set()
        self._news.set()

    async def line(self, event: str, count: int = 1, within_s: float = 20.0, **fields: Any) -> dict[str, Any]:
        """The `count`-th log line of that event."""
        async with asyncio.timeout(within_s):
            while True:
                self._news.clear()
                found = [line for line in self.log() if line.get("event") == event and fields.items() <= line.items()]
                if len(found) >= count:
                    return found[count - 1]
                if self._reading.done():
                    raise AssertionError(f"ended without {event!r}: {self.lines} {await self._process.stderr.read()!r}")  # type: ignore[union-attr]
                await self._news.wait()

    def log(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.lines]

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    async def ended(self, within_s: float = 20.0) -> tuple[int, bytes]:
        """Exit code and standard error."""
        assert self._process.stderr is not None
        async with asyncio.timeout(within_s):
            await self._reading
            told = await self._process.stderr.read()
            return await self._process.wait(), told

    async def stop(self) -> None:
        if self._process.returncode is None:
            self._process.kill()
        await self.ended()


def dead_port() -> int:
    """A port without a listener."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


async def until(true: Callable[[], bool], within_s: float = 5.0) -> None:
    async with asyncio.timeout(within_s):
        while not true():
            await asyncio.sleep(0.005)
