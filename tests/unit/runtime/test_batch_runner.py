"""Of several workers one works on a batch, and what it has done is not done again by the next one."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from octoroute.errors import StorageUnavailable
from octoroute.gateway.batch_lines import LineAnswer
from octoroute.runtime import batch_runner
from octoroute.runtime.batch_runner import BatchRunner
from octoroute.runtime.line_gate import BatchSettings, LineGate
from octoroute.store import connection_pool
from octoroute.store.batches import BatchJob, BatchStore
from octoroute.store.files import FileStore
from octoroute.store.job_pool import JobPool
from tests.support.databases import FlakyDatabase
from tests.support.jobs import OVER, jsonl, line


class Wall:
    at = 1000.0

    def __call__(self) -> float:
        return self.at


class Site:
    """A store, and workers of it whose lines are answered here."""

    def __init__(self, directory) -> None:
        self.database = FlakyDatabase(directory / "history.db")
        self.pool = JobPool(self.database)
        self.files, self.batches = FileStore(self.pool), BatchStore(self.pool)
        self.wall = Wall()
        self.asked: list[tuple[str, str]] = []
        self.stuck: set[str] = set()
        self.tasks: list[asyncio.Task] = []

    def runner(self, name: str) -> BatchRunner:
        async def answer(batch, asked):
            self.asked.append((name, asked.custom_id))
            if asked.custom_id in self.stuck:
                await asyncio.Event().wait()
            return LineAnswer(status=200, body=b"{}")

        gate = LineGate(lambda: BatchSettings(2, None, 10_000, 1e9), lambda: False, self.wall)
        return BatchRunner(self.files, self.batches, gate=gate, answer=answer, wall=self.wall)

    def start(self, name: str) -> asyncio.Task:
        task = asyncio.ensure_future(self.runner(name).run())
        self.tasks.append(task)
        return task

    async def batch(self, count: int):
        file = await self.files.begin("ann", "batch", "in", 1.0)
        await self.files.append(file, 0, jsonl(*(line(number) for number in range(count))))
        await self.files.finish(file, 1)
        job = BatchJob(endpoint="/v1/chat/completions", input_file=file.id, window="24h", expires_at=90_000.0)
        return await self.batches.add("ann", job, 1.0)

    async def until(self, reached):
        async with asyncio.timeout(20):
            while not await reached():
                await asyncio.sleep(0.01)


@pytest.fixture
async def site(tmp_path, monkeypatch):
    monkeypatch.setattr(batch_runner, "POLL_S", 0.02)
    made = Site(tmp_path)
    yield made
    for task in made.tasks:
        task.cancel()
    await asyncio.gather(*made.tasks, return_exceptions=True)
    made.pool.close()


async def test_many_workers_ask_each_line_once(site):
    batches = [await site.batch(20) for _ in range(4)]
    for number in range(5):
        site.start(f"w{number}")

    async def over():
        return all([(await site.batches.get("ann", batch.id)).status == "completed" for batch in batches])

    await site.until(over)
    assert len(site.asked) == 80
    for batch in batches:
        assert (await site.batches.get("ann", batch.id)).progress.completed == 20


async def test_a_worker_that_stops_hands_over_at_once_and_one_that_dies_after_its_lease(site):
    batch = await site.batch(6)
    site.stuck = {"r2", "r3"}
    first = site.start("first")

    async def half():
        return len(await site.batches.answered(batch.id)) == 2 and len(site.asked) == 4

    await site.until(half)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    second = site.start("second")

    async def taken():
        return ("second", "r2") in site.asked and ("second", "r3") in site.asked

    await site.until(taken)
    second.cancel()
    await asyncio.gather(second, return_exceptions=True)
    await site.batches.claim("dead", site.wall.at, 30.0, 9)
    site.stuck = set()
    site.start("third")
    await asyncio.sleep(0.1)
    assert not [who for who, _ in site.asked if who == "third"]
    site.wall.at += 31

    async def over():
        return (await site.batches.get("ann", batch.id)).status in OVER

    await site.until(over)
    asked_by_third = [name for who, name in site.asked if who == "third"]
    assert sorted(asked_by_third) == ["r2", "r3", "r4", "r5"]
    assert (await site.batches.get("ann", batch.id)).progress.completed == 6


async def test_a_worker_whose_lease_is_taken_writes_nothing_more(site, monkeypatch):
    monkeypatch.setattr(batch_runner, "LEASE_S", 0.3)
    batch = await site.batch(2)
    site.stuck = {"r0", "r1"}
    site.start("first")

    async def asked():
        return len(site.asked) == 2

    await site.until(asked)
    connection = site.database.connect()
    connection.execute("UPDATE batches SET lease_owner = 'thief', lease_until = 1e12")
    connection.close()

    async def gone():
        return not any(task.get_name() == batch.id for task in asyncio.all_tasks())

    await site.until(gone)
    assert await site.batches.answered(batch.id) == set()


async def test_a_store_that_is_away_is_waited_for(site, monkeypatch):
    monkeypatch.setattr(connection_pool, "RETRY_S", 0.02)
    batch = await site.batch(3)
    site.database.away = True
    site.pool.close()
    site.start("first")
    await asyncio.sleep(0.05)
    assert not site.asked
    site.database.away = False

    async def over():
        with contextlib.suppress(StorageUnavailable):
            return (await site.batches.get("ann", batch.id)).status == "completed"

    await site.until(over)
