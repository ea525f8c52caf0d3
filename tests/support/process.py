"""octoroute as a process of its own, as a user starts it, and what can be seen of it from outside: log, metrics, descriptors, memory.

Its log goes to a file, so that no reader is needed, however much it writes.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx2
import tomli_w

from tests.support.live_gateway import ROOT, samples

KEPT_S = 1.0
"""How long the gateway keeps an exposition of its metrics."""


class Gateway:
    def __init__(self, process: asyncio.subprocess.Process, out: Path, err: Path, key: str) -> None:
        """`key`: one of its own, "" where it has none."""
        self._process = process
        self._key = key
        self._out = out
        self._err = err
        self._scraped_at = 0.0
        self.pid = process.pid
        self.url = ""

    @classmethod
    async def start(
        cls,
        directory: Path,
        tree: Mapping[str, Any],
        *,
        out: Path | None = None,
        env: Mapping[str, str] | None = None,
        before: Sequence[str] = (),
        ready: bool = True,
    ) -> Gateway:
        """`tree` is the configuration, on a free port unless it says another; `before` the words before the command, such as
        `prlimit --nofile=64`, which must put the gateway in their own place.
        """
        config = directory / "config.toml"
        server, observability = tree.get("server", {}), tree.get("observability", {})
        settled = {**tree, "server": {"port": 0, **server}, "observability": {"log_format": "json", **observability}}
        config.write_text(tomli_w.dumps(settled))
        out, err = out or directory / "out", directory / "err"
        with out.open("ab") as stdout, err.open("ab") as stderr:
            process = await asyncio.create_subprocess_exec(
                *(*before, sys.executable, "-m", "octoroute", "-c", str(config)),
                cwd=directory,
                env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", **(env or {})},
                stdout=stdout,
                stderr=stderr,
            )
        found = cls(process, out, err, next(iter(tree.get("auth", {}).get("keys", ())), ""))
        if ready:
            found.url = (await found.line("ready"))["url"]
        return found

    def log(self, event: str | None = None) -> list[dict[str, Any]]:
        """The lines that are complete; `event`: only those."""
        if not self._out.is_file():
            return []
        with self._out.open("rb") as file:
            lines = [json.loads(line) for line in file if line.endswith(b"\n")]
        return lines if event is None else [line for line in lines if line["event"] == event]

    async def line(self, event: str, within_s: float = 20.0) -> dict[str, Any]:
        """The last one of that event, as soon as there is one."""
        async with asyncio.timeout(within_s):
            while not (found := self.log(event)):
                if self._process.returncode is not None:
                    raise AssertionError(f"ended without {event!r}: {self.log()} {self.errors()!r}")
                await asyncio.sleep(0.02)
        return found[-1]

    def errors(self) -> bytes:
        """Its standard error."""
        return self._err.read_bytes()

    async def get(self, path: str) -> httpx2.Response:
        async with httpx2.AsyncClient(base_url=self.url, timeout=30, trust_env=False) as client:
            return await client.get(path, headers={"x-api-key": self._key} if self._key else {})

    async def metrics(self) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
        """As they are now: the exposition that was kept for the last look is waited out. Nobody else should look."""
        await asyncio.sleep(max(0.0, self._scraped_at + KEPT_S + 0.05 - time.monotonic()))
        text = (await self.get("/metrics")).text
        self._scraped_at = time.monotonic()
        return samples(text)

    @property
    def descriptors(self) -> int:
        return len(list(Path(f"/proc/{self.pid}/fd").iterdir()))

    @property
    def memory_bytes(self) -> int:
        """Its own share of what is resident (PSS): pages that processes share are divided among them."""
        rollup = Path(f"/proc/{self.pid}/smaps_rollup").read_text()
        return next(int(line.split()[1]) * 1024 for line in rollup.splitlines() if line.startswith("Pss:"))

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    async def ended(self, within_s: float = 20.0) -> int:
        """Its exit code."""
        async with asyncio.timeout(within_s):
            return await self._process.wait()

    async def stop(self, within_s: float = 40.0) -> int:
        """As an operator does; its exit code."""
        if self._process.returncode is None:
            self.signal(signal.SIGTERM)
        return await self.ended(within_s)

    async def kill(self) -> None:
        if self._process.returncode is None:
            self._process.kill()
        await self.ended()


def total(found: Mapping[tuple[str, frozenset[tuple[str, str]]], float], name: str, **labels: str) -> float:
    """The sum of the samples with these labels."""
    return sum(value for (its, all_labels), value in found.items() if its == name and labels.items() <= dict(all_labels).items())
