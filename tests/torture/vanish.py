"""A peer that vanishes without a word: no FIN, no RST. Needs root and `ip`; run it by itself.

    python tests/torture/vanish.py

The peer lives in a network namespace of its own, whose cable is cut at the worst moments. First it is the model server, asked through
both transports; then it is the client of a gateway. The program prints how many seconds each loss was noticed after, at most LIMIT_S;
a server that is only busy must not be taken for a dead one.
"""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from octoroute.errors import UpstreamError
from octoroute.upstream.transports.aiohttp import AiohttpTransport
from octoroute.upstream.transports.base import Transport, TransportRequest
from octoroute.upstream.transports.native import NativeTransport
from tests.support.fake import Exchange, Fake, tokens
from tests.support.live_gateway import Process, endpoint, settings

SPACE, HERE, THERE = "octoroute-vanish", "10.99.77.1", "10.99.77.2"
PORT = 8077
LIMIT_S = 10.5
LONG = bytes(8_000_000)
BUSY_S = 14
"""How long the busy server does not read."""
SERVER = f"""
import asyncio
async def serve(r, w):
    try:
        await answer(r, w)
    except (asyncio.IncompleteReadError, OSError):
        pass
async def answer(r, w):
    while True:
        head = await r.readuntil(b"\\r\\n\\r\\n")
        if b"/slow" in head:
            await asyncio.sleep(3600)
        if b"/busy" in head:
            await asyncio.sleep({BUSY_S})
        if b"content-length: {len(LONG)}" in head.lower():
            await r.readexactly({len(LONG)})
        if b"/stream" in head:
            w.write(b"HTTP/1.1 200 OK\\r\\ncontent-length: 1000\\r\\n\\r\\nx"); await w.drain(); await asyncio.sleep(3600)
        w.write(b"HTTP/1.1 200 OK\\r\\ncontent-length: 2\\r\\n\\r\\nok"); await w.drain()
async def main():
    await (await asyncio.start_server(serve, "{THERE}", {PORT})).serve_forever()
asyncio.run(main())
"""
CLIENT = f"""
import socket, sys, time
sockets = []
for model in ("idle", "silent", "talking", "unread"):
    s = socket.socket()
    if model == "unread":
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    s.connect(("{HERE}", int(sys.argv[1])))
    if model != "idle":
        body = b'{{"model":"%s","stream":true,"messages":[{{"role":"user","content":"x"}}]}}' % model.encode()
        s.sendall(b"POST /v1/chat/completions HTTP/1.1\\r\\nhost: {HERE}\\r\\ncontent-type: application/json\\r\\ncontent-length: %d\\r\\n\\r\\n" % len(body) + body)
    sockets.append(s)
time.sleep(3600)
"""


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


def inside(*words: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(["ip", "netns", "exec", SPACE, sys.executable, *words])


def cable(state: str) -> None:
    ip("netns", "exec", SPACE, "ip", "link", "set", "vanish1", state)


@contextmanager
def namespace() -> Iterator[None]:
    subprocess.run(["ip", "netns", "del", SPACE], check=False, capture_output=True)
    ip("netns", "add", SPACE)
    try:
        ip("link", "add", "vanish0", "type", "veth", "peer", "name", "vanish1", "netns", SPACE)
        ip("addr", "add", f"{HERE}/24", "dev", "vanish0")
        ip("link", "set", "vanish0", "up")
        ip("netns", "exec", SPACE, "ip", "addr", "add", f"{THERE}/24", "dev", "vanish1")
        cable("up")
        yield
    finally:
        subprocess.run(["ip", "netns", "del", SPACE], check=False, capture_output=True)


async def timed(what: str, work: Coroutine[Any, Any, Any]) -> tuple[str, float]:
    since = time.monotonic()
    try:
        async with asyncio.timeout(60):
            await work
    except (UpstreamError, TimeoutError) as error:
        return f"{what}: {type(error).__name__} ({error})", round(time.monotonic() - since, 1)
    return f"{what}: answered", round(time.monotonic() - since, 1)


async def upstream(transport: Transport) -> list[tuple[str, float]]:
    """The model server vanishes."""

    def ask(path: str, body: bytes = b"{}") -> Coroutine[Any, Any, Any]:
        return transport.send(TransportRequest(method="POST", url=f"http://{THERE}:{PORT}{path}", body=body))

    for response in await asyncio.gather(*(ask("/") for _ in range(6))):
        await response.body(100)
    busy = asyncio.ensure_future(timed("a busy server that reads 8 MB late", ask("/busy", LONG)))
    stream = await ask("/stream")
    assert await stream.chunk() == b"x"
    slow = asyncio.ensure_future(timed("a request that waits", ask("/slow")))
    unread = asyncio.ensure_future(timed("8 MB whose reader has paused", ask("/slow", LONG)))
    results = [await busy]
    cut = time.monotonic()
    cable("down")
    pending = [
        asyncio.ensure_future(timed("a stream that is silent", stream.chunk())),
        asyncio.ensure_future(timed("a request on a warm connection", ask("/"))),
        asyncio.ensure_future(timed("8 MB on a warm connection", ask("/", LONG))),
        slow,
        unread,
    ]
    for task in asyncio.as_completed(pending):
        what, _ = await task
        results.append((what, round(time.monotonic() - cut, 1)))
    stream.close()
    cable("up")
    await transport.close()
    return results


def silent(exchange: Exchange) -> Coroutine[Any, Any, None]:
    return _stream(exchange, pause_s=3600)


def talking(exchange: Exchange) -> Coroutine[Any, Any, None]:
    return _stream(exchange, pause_s=0.2)


def flood(exchange: Exchange) -> Coroutine[Any, Any, None]:
    return _stream(exchange, pause_s=0, times=100_000)


async def _stream(exchange: Exchange, pause_s: float, times: int = 2000) -> None:
    exchange.head(200, {"content-type": "text/event-stream", "transfer-encoding": "chunked"})
    first, second, *_ = tokens()
    exchange.chunk(first)
    for _ in range(times):
        exchange.chunk(second)
        await exchange.flushed()
        await asyncio.sleep(pause_s)


async def downstream(place: Path) -> list[tuple[str, float]]:
    """The clients of a gateway vanish."""
    steps = {"silent": silent, "talking": talking, "unread": flood}
    fakes = {name: await Fake(name).always(step).start() for name, step in steps.items()}
    rows = [endpoint(fake, name) for name, fake in fakes.items()]
    tree = settings(rows, server={"host": HERE, "port": 8078})
    process = await Process.start(place, tree)
    client = inside("-c", CLIENT, "8078")
    try:
        for fake in fakes.values():
            await fake.asked(1)
        await asyncio.sleep(3)
        left = dict(enumerate_clients(8078))
        cut = time.monotonic()
        cable("down")
        results: list[tuple[str, float]] = []
        while left and time.monotonic() < cut + 60:
            await asyncio.sleep(0.1)
            open_now = dict(enumerate_clients(8078))
            for port in [port for port in left if port not in open_now]:
                del left[port]
                results.append((f"a client of port {port}", round(time.monotonic() - cut, 1)))
        results += [(f"a client of port {port}, still there", 99.0) for port in left]
    finally:
        client.kill()
        client.wait()
        await process.stop()
        for fake in fakes.values():
            await fake.kill()
    return results


def enumerate_clients(port: int) -> Iterator[tuple[int, str]]:
    """The peer ports of connections accepted on `port`, from /proc/net/tcp; those that wait for their end are not counted."""
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        local, remote, state = fields[1], fields[2], fields[3]
        if int(local.split(":")[1], 16) == port and state == "01":
            yield int(remote.split(":")[1], 16), state


def main() -> int:
    results: dict[str, list[tuple[str, float]]] = {}
    for name, kind in (("native", NativeTransport), ("aiohttp", AiohttpTransport)):
        with namespace():
            server = inside("-c", SERVER)
            try:
                _wait_for_server()
                results[name] = asyncio.run(upstream(kind()))
            finally:
                server.kill()
                server.wait()
    with namespace(), tempfile.TemporaryDirectory() as place:
        results["clients"] = asyncio.run(downstream(Path(place)))
    print(json.dumps(results, indent=2))  # noqa: T201
    found = [one for rows in results.values() for one in rows]
    return 0 if all(("answered" in what) if "busy" in what else seconds <= LIMIT_S for what, seconds in found) else 1


def _wait_for_server() -> None:
    for _ in range(100):
        with socket.socket() as probe:
            if probe.connect_ex((THERE, PORT)) == 0:
                return
        time.sleep(0.1)


if __name__ == "__main__":
    raise SystemExit(main())
