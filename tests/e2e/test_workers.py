"""`workers = 2`: one port, one set of metrics, and a worker that dies is replaced."""

from __future__ import annotations

import asyncio
import os
import signal
import tomllib
from pathlib import Path

import httpx2
import pytest
import tomli_w

from tests.support.fake import error
from tests.support.live_gateway import Process, endpoint, question, samples

GAUGES = {"octoroute_circuit_state", "octoroute_endpoint_failures", "octoroute_endpoint_inflight"}


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


async def test_two_workers_share_port_and_metrics_and_outlive_each_other(make_fake, make_process):
    fake = await make_fake()
    process: Process = await make_process([endpoint(fake)], server={"port": 0, "workers": 2})
    async with httpx2.AsyncClient(base_url=process.url, trust_env=False) as client:

        async def ask() -> None:  # a connection each, so that both workers get some
            async with httpx2.AsyncClient(base_url=process.url, trust_env=False) as own:
                answer = await own.post("/v1/chat/completions", json=question())
                assert answer.status_code == 200

        await asyncio.gather(*(ask() for _ in range(40)))
        await asyncio.sleep(1.1)  # the exposition is kept for a second
        counted = samples((await client.get("/metrics")).text)
        assert sum(value for (name, _), value in counted.items() if name == "octoroute_requests_total") == 40

        before = children(process.pid)
        assert len(before) == 2
        os.kill(before[0], signal.SIGKILL)
        await process.line("worker ended, it will be restarted", code=-9)
        async with asyncio.timeout(10):
            while len(children(process.pid)) < 2:
                await asyncio.sleep(0.05)
        await asyncio.gather(*(ask() for _ in range(10)))
    process.signal(signal.SIGTERM)
    code, _ = await process.ended()
    assert code == 0
    assert len([line for line in process.log() if line["event"] == "request"]) == 50


async def test_a_worker_that_is_replaced_has_the_configuration_of_today(make_fake, make_process, tmp_path):
    fake = await make_fake()
    process: Process = await make_process([endpoint(fake)], server={"port": 0, "workers": 2}, auth={"keys": ["key-before"]})
    path = tmp_path / "config.toml"
    path.write_text(path.read_text().replace("key-before", "key-of-today"))

    async def statuses(key: str) -> set[int]:  # by as many connections as find both workers
        found = set()
        for _ in range(24):
            async with httpx2.AsyncClient(base_url=process.url, trust_env=False) as own:
                answer = await own.post("/v1/chat/completions", json=question(), headers={"authorization": f"Bearer {key}"})
                found.add(answer.status_code)
        return found

    process.signal(signal.SIGHUP)
    await process.line("configuration reloaded", count=2)
    path.write_text("no configuration")
    for child in children(process.pid):
        os.kill(child, signal.SIGKILL)
    async with asyncio.timeout(20):
        while await statuses("key-of-today") != {200}:
            await asyncio.sleep(0.1)
    assert await statuses("key-before") == {401}


async def test_a_reload_finds_a_worker_that_is_only_starting(make_fake, make_process, tmp_path):
    """Signals that come before it can hear them wait."""
    fake = await make_fake()
    process: Process = await make_process([endpoint(fake)], server={"port": 0, "workers": 2})
    first = children(process.pid)[0]
    os.kill(first, signal.SIGKILL)
    async with asyncio.timeout(20):
        while first in children(process.pid) or len(children(process.pid)) < 2:
            await asyncio.sleep(0.001)
    process.signal(signal.SIGHUP)
    await process.line("configuration reloaded", count=2)
    assert not [line for line in process.log() if line.get("code") == -signal.SIGHUP]


async def test_workers_share_a_budget_without_a_store(make_fake, make_process):
    row = endpoint(await make_fake(), price={"input": 0, "output": 0, "request": 0.001})
    process: Process = await make_process(
        [row], server={"port": 0, "workers": 2}, limits={"everything": {"budget_usd": {"day": 0.02}}}
    )

    async def ask() -> int:  # a connection each, so that both workers get some
        async with httpx2.AsyncClient(base_url=process.url, trust_env=False) as own:
            return (await own.post("/v1/chat/completions", json=question())).status_code

    statuses = await asyncio.gather(*(ask() for _ in range(60)))
    assert set(statuses) == {200, 429}
    admitted = statuses.count(200)
    async with asyncio.timeout(10):  # what one worker held in advance is free for the other one soon
        while admitted < 20:
            admitted += await ask() == 200
    assert {await ask() for _ in range(10)} == {429}
    assert admitted == 20


async def test_workers_do_not_outlive_their_parent(make_fake, make_process):
    process: Process = await make_process([endpoint(await make_fake())], server={"port": 0, "workers": 2})
    process.signal(signal.SIGKILL)
    code, _ = await process.ended()  # standard output has no writer any more
    assert code == -signal.SIGKILL


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
async def test_o20_nothing_stays_in_memory_when_the_parent_has_ended_however_it_ended(make_fake, make_process, end):
    fake = await make_fake()
    process: Process = await make_process([endpoint(fake)], server={"port": 0, "workers": 2})
    links = [fd.readlink() for fd in Path(f"/proc/{process.pid}/fd").iterdir()]
    (directory,) = {link.parent for link in links if link.name == ".lock"}
    assert directory.name.startswith("octoroute-metrics-")
    assert len(list(directory.iterdir())) > 2
    process.signal(end)
    await process.ended()
    async with asyncio.timeout(15):
        while directory.exists():
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("workers", [1, 2, 3])
async def test_o20_the_gauges_of_an_endpoint_that_a_reload_removed_vanish(make_fake, make_process, tmp_path, workers):
    dead, well = await make_fake(), await make_fake()
    dead.always(error(500))
    rows = [endpoint(dead, "old", id="old"), endpoint(well, "kept", id="kept")]
    process: Process = await make_process(rows, server={"port": 0, "workers": workers}, retry={"max_attempts": 1})

    async def ask(model: str) -> None:
        async with httpx2.AsyncClient(base_url=process.url, trust_env=False) as own:
            await own.post("/v1/chat/completions", json=question(model=model))

    async def gauges() -> set[str]:
        async with httpx2.AsyncClient(base_url=process.url, trust_env=False) as own:
            text = (await own.get("/metrics")).text
        assert "Inf" not in text.replace('le="+Inf"', "")
        return {dict(labels)["endpoint"] for name, labels in samples(text) if name in GAUGES}

    for model in ("old", "kept") * 12:
        await ask(model)
    async with asyncio.timeout(10):
        while await gauges() != {"old", "kept"}:
            await asyncio.sleep(0.2)
    path = tmp_path / "config.toml"
    before = path.read_text()
    tree = tomllib.loads(before)
    tree["models"]["fast"] = tree["models"]["fast"][1:]
    path.write_text(tomli_w.dumps(tree))
    process.signal(signal.SIGHUP)
    async with asyncio.timeout(15):
        while await gauges() != {"kept"}:
            await asyncio.sleep(0.2)
    path.write_text(before)  # and come back with the endpoint
    process.signal(signal.SIGHUP)
    async with asyncio.timeout(15):
        while await gauges() != {"old", "kept"}:
            await asyncio.sleep(0.2)
