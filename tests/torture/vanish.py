"""A server that vanishes without a word: no FIN, no RST. Needs root and `ip`; run it by itself.

    python tests/torture/vanish.py

The model server lives in a network namespace of its own. Its cable is cut while connections are idle, while a request waits, and
while a stream is silent; the program prints how long each client waited.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from octoroute.errors import UpstreamError
from octoroute.upstream.transports.base import TransportRequest
from octoroute.upstream.transports.native import NativeTransport

SPACE, HERE, THERE = "octoroute-vanish", "10.99.77.1", "10.99.77.2"
PORT = 8077
SERVER = f"""
import asyncio
async def serve(r, w):
    while True:
        head = await r.readuntil(b"\\r\\n\\r\\n")
        if b"GET /slow" in head:
            await asyncio.sleep(3600)
        if b"GET /stream" in head:
            w.write(b"HTTP/1.1 200 OK\\r\\ncontent-length: 1000\\r\\n\\r\\nx"); await w.drain(); await asyncio.sleep(3600)
        w.write(b"HTTP/1.1 200 OK\\r\\ncontent-length: 2\\r\\n\\r\\nok"); await w.drain()
async def main():
    await (await asyncio.start_server(serve, "{THERE}", {PORT})).serve_forever()
asyncio.run(main())
"""


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


def cable(state: str) -> None:
    ip("netns", "exec", SPACE, "ip", "link", "set", "vanish1", state)


async def timed(what: str, work) -> tuple[str, float]:
    since = time.monotonic()
    try:
        async with asyncio.timeout(60):
            await work
    except (UpstreamError, TimeoutError) as error:
        return f"{what}: {type(error).__name__}", round(time.monotonic() - since, 1)
    return f"{what}: answered", round(time.monotonic() - since, 1)


async def story() -> list[tuple[str, float]]:
    transport = NativeTransport()

    def ask(path: str):
        return transport.send(TransportRequest(method="GET", url=f"http://{THERE}:{PORT}{path}"))

    warm = await asyncio.gather(*(ask("/") for _ in range(3)))
    for response in warm:
        await response.body(100)
    stream = await ask("/stream")
    assert await stream.chunk() == b"x"
    slow = asyncio.ensure_future(timed("a request that waits", ask("/slow")))
    await asyncio.sleep(0.5)
    cable("down")
    silent = asyncio.ensure_future(timed("a stream that is silent", stream.chunk()))
    idle = asyncio.ensure_future(timed("a request on a warm connection", ask("/")))
    results = [await task for task in (slow, silent, idle)]
    stream.close()
    await transport.close()
    return results


def main() -> int:
    subprocess.run(["ip", "netns", "del", SPACE], check=False, capture_output=True)
    ip("netns", "add", SPACE)
    server = None
    try:
        ip("link", "add", "vanish0", "type", "veth", "peer", "name", "vanish1", "netns", SPACE)
        ip("addr", "add", f"{HERE}/24", "dev", "vanish0")
        ip("link", "set", "vanish0", "up")
        ip("netns", "exec", SPACE, "ip", "addr", "add", f"{THERE}/24", "dev", "vanish1")
        cable("up")
        server = subprocess.Popen(["ip", "netns", "exec", SPACE, sys.executable, "-c", SERVER])
        time.sleep(1.5)
        results = asyncio.run(story())
    finally:
        if server is not None:
            server.kill()
            server.wait()
        subprocess.run(["ip", "netns", "del", SPACE], check=False, capture_output=True)
    print(json.dumps(results, indent=2))  # noqa: T201
    return 0 if all(seconds <= 15 for _, seconds in results) else 1


if __name__ == "__main__":
    raise SystemExit(main())
