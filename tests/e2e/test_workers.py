"""`workers = 2`: one port, one set of metrics, and a worker that dies is replaced."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import httpx2

from tests.support.house import Process, endpoint, question, samples


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
