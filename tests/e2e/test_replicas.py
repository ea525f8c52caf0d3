"""Two replicas of the installed command, each with a state directory of its own, that share a real Redis."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.support.live_gateway import ROOT, Process, endpoint, question, samples, settings


class Replica:
    """One gateway, its directory, and a client of it."""

    def __init__(self, process: Process, directory: Path) -> None:
        self.process = process
        self.directory = directory
        self.client = httpx2.AsyncClient(base_url=process.url, trust_env=False, timeout=30)

    async def ask(self, key: str = "", **fields: Any) -> httpx2.Response:
        headers = {"authorization": f"Bearer {key}"} if key else {}
        return await self.client.post("/v1/chat/completions", json=question(**fields), headers=headers)

    async def command(self, *words: str) -> str:
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "octoroute", *words, "-c", str(self.directory / "config.toml")),
            env={**os.environ, "PYTHONPATH": str(ROOT), "OCTOROUTE_STATE_DIR": str(self.directory / "state")},
            stdout=asyncio.subprocess.PIPE,
        )
        out, _ = await child.communicate()
        assert child.returncode == 0
        return out.decode().strip()


@pytest.fixture
async def replicas(redis, make_fake, tmp_path) -> AsyncIterator[list[Replica]]:
    row = endpoint(await make_fake(), price={"input": 0, "output": 0, "request": 0.001})
    tree = settings([row], shared={"url": redis.url}, limits={"everything": {"budget_usd": {"day": 0.03}}})
    made: list[Replica] = []
    for name in ("a", "b"):
        directory = tmp_path / name
        directory.mkdir()
        process = await Process.start(directory, tree, env={"OCTOROUTE_STATE_DIR": str(directory / "state")})
        made.append(Replica(process, directory))
    yield made
    for replica in made:
        await replica.client.aclose()
        await replica.process.stop()


async def until(replica: Replica, key: str, status: int) -> None:
    async with asyncio.timeout(30):
        while (await replica.ask(key)).status_code != status:
            await asyncio.sleep(0.02)


async def locked(replica: Replica) -> None:
    """Until the replica has heard that there are keys; what is asked meanwhile costs nothing."""
    async with asyncio.timeout(30):
        while (await replica.client.get("/v1/models")).status_code != 401:
            await asyncio.sleep(0.02)


async def test_replicas_share_keys_and_a_budget(replicas):
    first, second = replicas
    key = await first.command("keys", "add", "team")
    for replica in replicas:
        await locked(replica)
        assert (await replica.ask()).status_code == 401
        assert (await replica.ask(key)).status_code == 200
    statuses = [(await replica.ask(key)).status_code for _ in range(20) for replica in replicas]
    assert statuses.count(200) <= 28
    assert statuses[-2:] == [429, 429]
    metrics = (await first.client.get("/metrics", headers={"authorization": f"Bearer {key}"})).text
    assert samples(metrics)["octoroute_other_replicas", frozenset()] == 1
    await second.command("keys", "revoke", "team")
    for replica in replicas:
        await until(replica, key, 401)
