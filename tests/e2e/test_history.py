"""The store of a running gateway: stored responses outlive it, and what it wrote before it was killed is there."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sqlite3

import httpx2

from tests.support.live_gateway import endpoint, question


async def ask(process, path, body):
    async with httpx2.AsyncClient(base_url=process.url, timeout=30, trust_env=False) as client:
        return await client.post(path, json=body)


def rows(file) -> set[str]:
    """Empty before the gateway has made its tables."""
    with contextlib.closing(sqlite3.connect(file)) as database:
        try:
            return {row[0] for row in database.execute("SELECT id FROM requests").fetchall()}
        except sqlite3.OperationalError:
            return set()


async def written(file, ids: set[str]) -> None:
    async with asyncio.timeout(30):
        while not ids <= rows(file):
            await asyncio.sleep(0.02)


async def test_a_conversation_goes_on_after_a_restart_and_in_every_worker(make_process, fake, tmp_path):
    store = {"url": f"sqlite:///{tmp_path}/store.db"}
    first = await make_process([endpoint(fake)], store=store)
    answer = await ask(first, "/v1/responses", {"model": "auto", "input": "one"})
    assert answer.status_code == 200, answer.text
    await first.stop()
    second = await make_process([endpoint(fake)], store=store, server={"workers": 2})
    for _ in range(6):
        again = await ask(second, "/v1/responses", {"model": "auto", "input": "two", "previous_response_id": answer.json()["id"]})
        assert again.status_code == 200, again.text


async def test_a_gateway_that_is_killed_under_load_has_written_all_but_the_last_moment(make_process, fake, tmp_path):
    file = tmp_path / "store.db"
    process = await make_process([endpoint(fake)], store={"url": f"sqlite:///{file}"})
    answered: list[str] = []
    async with httpx2.AsyncClient(base_url=process.url, timeout=30, trust_env=False) as client:
        for _ in range(60):
            answer = await client.post("/v1/chat/completions", json=question())
            answered.append(answer.headers["x-request-id"])
        async with asyncio.timeout(30):
            while not set(answered) <= rows(file):
                await asyncio.sleep(0.02)
        for _ in range(20):
            await client.post("/v1/chat/completions", json=question())
        os.kill(process.pid, signal.SIGKILL)
    kept = rows(file)
    assert set(answered) <= kept, "the file opens, and nothing in it is lost"
    next_one = await make_process([endpoint(fake)], store={"url": f"sqlite:///{file}"})
    answer = await ask(next_one, "/v1/chat/completions", question())
    await written(file, kept | {answer.headers["x-request-id"]})
