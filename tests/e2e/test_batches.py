"""Batches by OpenAI's own client at the gateway that a user starts, which is killed in the middle of them."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
from collections import Counter
from contextlib import closing

import pytest

from tests.support.fake import completion, whole
from tests.support.jobs import OVER, jsonl, line
from tests.support.live_gateway import endpoint

openai = pytest.importorskip("openai", reason="pip install --group e2e")


def client_of(process):
    return openai.AsyncOpenAI(base_url=f"{process.url}/v1", api_key="none", max_retries=0)


async def test_a_gateway_that_is_killed_asks_no_line_again_that_has_a_result(make_process, fake, tmp_path):
    """Of 30 lines 10 are answered when it is killed, and some are under way. The lease of the dead process is made to end."""
    tables = {"store": {"url": f"sqlite:///{tmp_path}/store.db"}, "batches": {"concurrency": 2}}
    stuck = asyncio.Event()

    async def hang(exchange):
        stuck.set()
        await asyncio.Event().wait()

    fake.then(*[whole(completion(f"answer {at}")) for at in range(10)]).always(hang)
    first = await make_process([endpoint(fake)], **tables)
    async with client_of(first) as client:
        file = await client.files.create(file=("in.jsonl", jsonl(*(line(at) for at in range(30)))), purpose="batch")
        batch = await client.batches.create(input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h")
        await stuck.wait()
        while (await client.batches.retrieve(batch.id)).request_counts.completed < 10:
            await asyncio.sleep(0.05)
        os.kill(first.pid, signal.SIGKILL)
    before = len(fake.requests)
    assert 10 < before <= 12
    with closing(sqlite3.connect(tmp_path / "store.db", isolation_level=None)) as database:
        database.execute("UPDATE batches SET lease_until = 0")

    fake.always(whole(completion("later")))
    second = await make_process([endpoint(fake)], server={"workers": 2}, **tables)
    async with client_of(second) as client, asyncio.timeout(30):
        while batch.status not in OVER:
            await asyncio.sleep(0.05)
            batch = await client.batches.retrieve(batch.id)
        content = (await client.files.content(batch.output_file_id)).text
    assert (batch.status, batch.request_counts.completed, batch.request_counts.failed) == ("completed", 30, 0)
    assert (content.count("answer"), content.count("later")) == (10, 20)
    asked = Counter(seen.json["messages"][0]["content"] for seen in fake.requests)
    assert sum(times - 1 for times in asked.values()) == before - 10, "only what was under way is asked again"
