"""A real browser, driven by the DevTools protocol over its own WebSocket."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path
from typing import Any

import httpx2
from websockets.asyncio.client import ClientConnection, connect

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


class Tab:
    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._ids = count(1)

    async def call(self, method: str, **params: Any) -> Any:
        id = next(self._ids)
        await self._socket.send(json.dumps({"id": id, "method": method, "params": params}))
        while (message := json.loads(await self._socket.recv())).get("id") != id:
            pass
        assert "error" not in message, message
        return message["result"]

    async def run(self, script: str) -> Any:
        """The value of a script, awaited if it is a promise; None while the page is being replaced."""
        with contextlib.suppress(AssertionError):
            found = await self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
            return found["result"].get("value")

    async def open(self, url: str) -> None:
        await self.call("Page.navigate", url=url)

    async def until(self, script: str) -> None:
        """Wait until the script is true on whatever page is shown."""
        async with asyncio.timeout(45):
            while await self.run(script) is not True:
                await asyncio.sleep(0.05)


@contextlib.asynccontextmanager
async def browser(profile: Path, *arguments: str) -> AsyncIterator[Tab]:
    assert CHROMIUM is not None
    common = (
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--no-first-run",
        "--remote-debugging-port=0",
    )
    process = await asyncio.create_subprocess_exec(
        CHROMIUM, *common, f"--user-data-dir={profile}", *arguments, "about:blank",
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        said = profile / "DevToolsActivePort"
        async with asyncio.timeout(45), httpx2.AsyncClient(trust_env=False) as client:
            while not said.exists() or len(lines := said.read_text().split()) < 2:
                await asyncio.sleep(0.05)
            tabs: list[Any] = []
            while not (tabs := [tab for tab in tabs if tab["type"] == "page"]):
                tabs = (await client.get(f"http://127.0.0.1:{lines[0]}/json/list")).json()
        async with connect(tabs[0]["webSocketDebuggerUrl"], max_size=None) as socket:
            yield Tab(socket)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
