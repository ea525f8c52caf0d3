"""`python benches/path.py`: the path of one streamed request through the packages, from its first byte to its settlement.

Counted on the third request of a connection, with Python's profile hook, in a gateway that serves on loopback:
calls of octoroute's own functions; packages (top-level entries) that they are in; jumps, the calls whose caller is in another
package. Each also until the first byte to the endpoint is written. The counts repeat from run to run; times are not measured.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from pathlib import Path
from types import FrameType
from typing import Any

import octoroute
from octoroute.config import loads
from octoroute.server.app import App
from octoroute.server.uvicorn_server import UvicornServer, address, bind, server_for
from octoroute.telemetry.logging import configure

PACKAGE = str(Path(octoroute.__file__).parent) + os.sep
CHUNK = b'data: {"id":"c","object":"chat.completion.chunk","created":0,"model":"m","choices":[{"index":0,"delta":%s,"finish_reason":%s}]}\n\n'
EVENTS = (
    CHUNK % (b'{"role":"assistant","content":""}', b"null"),
    *[CHUNK % (b'{"content":"word "}', b"null")] * 8,
    CHUNK % (b"{}", b'"stop"'),
    b"data: [DONE]\n\n",
)
CHAT = {"model": "auto", "stream": True, "messages": [{"role": "user", "content": "Why is the sky blue?"}]}
REQUESTS = {
    "chat completions": ("/v1/chat/completions", CHAT),
    "messages to an openai endpoint": ("/v1/messages", {**CHAT, "max_tokens": 100}),
}


class CallCounter:
    """What the hook saw since `start`."""

    def __init__(self) -> None:
        self.calls = self.jumps = self.jumps_upstream = 0
        self.entries: set[str] = set()
        self._entry: dict[str, str | None] = {}
        self.upstream_reached = False

    def start(self) -> None:
        sys.setprofile(self._hook)

    def stop(self) -> None:
        sys.setprofile(None)

    def entry_of(self, frame: FrameType) -> str | None:
        """The package of octoroute that the frame's code is in; None: other code."""
        name = frame.f_code.co_filename
        if name not in self._entry:
            inside = Path(name).relative_to(PACKAGE).parts if name.startswith(PACKAGE) else ()
            self._entry[name] = inside[0].removesuffix(".py") if inside else None
        return self._entry[name]

    def _hook(self, frame: FrameType, event: str, argument: object) -> None:  # noqa: ARG002 - the hook's signature
        if event != "call":
            return
        entry = self.entry_of(frame)
        if entry is None:
            return
        self.calls += 1
        self.entries.add(entry)
        caller, before = frame.f_back, None
        while caller is not None and (before := self.entry_of(caller)) is None:
            caller = caller.f_back
        if before != entry:
            self.jumps += 1
            if not self.upstream_reached:
                self.jumps_upstream += 1


async def upstream(path: list[CallCounter], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """An OpenAI server: ten events, then the end. Keeps its connections."""
    try:
        while head := await reader.readuntil(b"\r\n\r\n"):
            length = int(next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")).split(b":")[1])
            await reader.readexactly(length)
            for one in path:
                one.upstream_reached = True
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
            for event in (*EVENTS, b""):
                writer.write(b"%x\r\n%b\r\n" % (len(event), event))
                await asyncio.sleep(0.01)
    except asyncio.IncompleteReadError:
        writer.close()


async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, target: str, question: dict[str, Any]) -> None:
    body = json.dumps(question).encode()
    writer.write(
        b"POST %b HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b"
        % (target.encode(), len(body), body)
    )
    head = await reader.readuntil(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        raise SystemExit(head.decode())
    while (await reader.readuntil(b"\r\n")) != b"0\r\n":
        pass
    await reader.readuntil(b"\r\n")


async def serve(base_url: str) -> tuple[UvicornServer, str]:
    config = loads(
        "".join(f'[[models.{tier}]]\nname = "{tier}-model"\nbase_url = "{base_url}"\n' for tier in ("fast", "balanced", "deep"))
        + '[routing]\nstrategy = "rule"\n[health]\ninterval_seconds = 0\n',
        Path("path.toml"),
        {},
    )
    listener = bind("127.0.0.1", 0)
    server = server_for(App(config))
    server.config.load()
    server.lifespan = server.config.lifespan_class(server.config)
    await server.startup(sockets=[listener])
    return server, address(listener)


async def measure() -> dict[str, dict[str, Any]]:
    configure(level="info", style="json", out=Path(os.devnull).open("w"), once=True)  # noqa: SIM115, ASYNC230 - as long as the process
    seen: list[CallCounter] = []
    fake = await asyncio.start_server(lambda r, w: upstream(seen, r, w), "127.0.0.1", 0)
    port = fake.sockets[0].getsockname()[1]
    server, url = await serve(f"http://127.0.0.1:{port}/v1")
    counted: dict[str, dict[str, Any]] = {}
    for name, (target, question) in REQUESTS.items():
        reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
        for _ in range(2):
            await ask(reader, writer, target, question)
        await asyncio.sleep(0.1)
        path = CallCounter()
        seen.append(path)
        path.start()
        await ask(reader, writer, target, question)
        await asyncio.sleep(0.1)
        path.stop()
        writer.close()
        counted[name] = {
            "packages": sorted(path.entries),
            "calls": path.calls,
            "jumps": path.jumps,
            "jumps until the first byte upstream": path.jumps_upstream,
        }
    fake.close()
    server.should_exit = True
    await server.shutdown()
    return counted


def main() -> None:
    parser = argparse.ArgumentParser(description="The path of one request through the packages.")
    parser.add_argument("--json", action="store_true", help="as JSON")
    options = parser.parse_args()
    counted = asyncio.run(measure())
    if options.json:
        print(json.dumps(counted, indent=1))
        return
    for name, row in counted.items():
        print(f"{name}: {len(row['packages'])} packages ({', '.join(row['packages'])})")
        print(
            f"  {row['calls']} calls, {row['jumps']} jumps, {row['jumps until the first byte upstream']} until the first byte upstream"
        )


if __name__ == "__main__":
    main()
