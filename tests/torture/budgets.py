"""Budgets at length: python tests/torture/budgets.py [--requests 20000]

Over-admission: 10,000 reservations of 4 processes at once, in SQLite, PostgreSQL, and Redis; 0 may be above the limit. A process with
100 open leases is killed: how long its amounts stay held. The time of one reservation. And the books: so many requests through a
gateway to vendors that fail, with the shared store away for a while; settled, recorded, and billed must be the same. And once more
with a gateway that is killed while requests are under way: what is recorded must be what was billed, and what is missing is counted.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import logging
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random
from statistics import median
from typing import Any

import httpx2
import structlog

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from octoroute.access.leases.lease import BudgetLease  # noqa: E402
from octoroute.access.leases.ledger import Ledger  # noqa: E402
from octoroute.access.limits import Periods  # noqa: E402
from octoroute.domain.ids import new_id  # noqa: E402
from octoroute.runtime.assembly import Runtime  # noqa: E402
from octoroute.runtime.tasks import TaskOwner  # noqa: E402
from octoroute.store.base import HistoryFilter  # noqa: E402
from tests.support import lease_load, postgresql, redis_server  # noqa: E402
from tests.support.books import Chaos, Vendor, tables  # noqa: E402
from tests.support.lease_backends import charge, make  # noqa: E402
from tests.support.live_gateway import LiveGateway, Process, configured, endpoint, question, settings  # noqa: E402

ATTEMPTS, PROCESSES, LIMIT = 10_000, 4, 18_000
AWAY_S = 60.0
KILLS = 4


@contextlib.contextmanager
def backends(directory: Path) -> Iterator[list[str]]:
    with contextlib.ExitStack() as open_servers:
        words = [f"sqlite={directory / 'leases.db'}"]
        if postgresql.programs() is not None:
            words.append(f"postgresql={open_servers.enter_context(postgresql.running()).url}")
        if redis_server.program() is not None:
            server = redis_server.RedisServer(directory)
            server.start()
            open_servers.callback(server.stop)
            words.append(f"redis={server.url}")
        yield words


def start(word: str, attempts: int, limit: int, *more: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", lease_load.__name__, word, str(attempts), str(limit), *more]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)


def over_admission(word: str) -> dict[str, int]:
    since = time.monotonic()
    children = [start(word, ATTEMPTS // PROCESSES, LIMIT) for _ in range(PROCESSES)]
    reports = [json.loads(child.communicate()[0]) for child in children]
    spent, refused = sum(report["spent"] for report in reports), sum(report["refused"] for report in reports)
    return {
        "limit": LIMIT,
        "spent": spent,
        "over": max(0, spent - LIMIT),
        "refused": refused,
        "s": round(time.monotonic() - since, 1),
    }


async def workers(directory: Path) -> dict[str, int]:
    """As many requests to a gateway of 4 worker processes, which share no store but their file."""
    from tests.support.fake import Fake

    fake = await Fake("model").start()
    row = endpoint(fake, price={"input": 0, "output": 0, "request": 0.001})
    process = await Process.start(
        directory, settings([row], server={"workers": PROCESSES}, limits={"everything": {"budget_usd": {"day": ATTEMPTS / 2000}}})
    )
    statuses: Counter[int] = Counter()
    left = iter(range(ATTEMPTS))

    async def client() -> None:
        async with httpx2.AsyncClient(base_url=process.url, trust_env=False, timeout=60) as own:
            for _ in left:
                statuses[(await own.post("/v1/chat/completions", json=question())).status_code] += 1

    await asyncio.gather(*(client() for _ in range(64)))
    await process.stop()
    asked = len(fake.requests)
    await fake.kill()
    return {"limit": ATTEMPTS // 2, "admitted": statuses[200], "asked": asked, "refused": statuses[429]}


async def killed(word: str) -> float:
    """Seconds from the kill of a process with 100 open leases until nothing is held."""
    child = start(word, 100, 10_000_000, "open")
    assert child.stdout is not None
    await asyncio.to_thread(child.stdout.readline)
    child.kill()
    child.wait()
    since, backend = time.monotonic(), make(word, owner_ttl_s=lease_load.TTL_S)
    while (await backend.read(["key:a|usd|day"]))["key:a|usd|day"].held:
        await asyncio.sleep(0.02)
    await backend.close()
    return round(time.monotonic() - since, 2)


async def reservation_us(word: str, limit: int) -> float:
    tasks = TaskOwner()
    ledger = Ledger(
        make(word),
        new_owner=lambda: f"{os.getpid()}-{new_id()}",
        start=lambda work: tasks.start("leases", work()),
        wall=time.time,
    )
    charges = [charge(f"timed{limit}|{name}", 5, limit) for name in ("day", "month", "all")]
    took: list[float] = []
    for _ in range(2000):
        since = time.perf_counter()
        lease = await ledger.reserve(charges)
        took.append(time.perf_counter() - since)
        if isinstance(lease, BudgetLease):
            ledger.settle(lease, (0, 0, 0))
        await asyncio.sleep(0.001)
    await tasks.stop()
    await ledger.close()
    return round(median(took) * 1e6, 1)


async def books(requests: int, directory: Path) -> dict[str, object]:
    from tests.support.fake import Fake

    chance, server = Random(5), None
    fakes = [await Fake("small").start(), await Fake("big").start()]
    if redis_server.program() is not None:
        server = redis_server.RedisServer(directory)
        server.start()
    gateway = await LiveGateway.open(tables(fakes, server.url if server else f"sqlite:///{directory / 'books.db'}"))
    chaos = Chaos(gateway, [Vendor("small", fakes[0], chance), Vendor("big", fakes[1], chance)])
    await chaos.run(requests // 2)
    if server is not None:
        server.pause()
        until = time.monotonic() + AWAY_S
        while time.monotonic() < until:
            await chaos.run(max(1, requests // 200))
        server.resume()
    await chaos.run(requests // 2)
    gateway.app.runtime.sink.flush()
    found = {
        "billed": sum(vendor.bill_micros for vendor in chaos.vendors),
        "recorded": chaos.history_micros,
        "settled": await chaos.settled_micros(),
        "statuses": sorted(chaos.statuses),
    }
    await gateway.close()
    for fake in fakes:
        await fake.kill()
    if server is not None:
        server.stop()
    return found


class KilledGateway:
    """The installed command, which is killed with SIGKILL now and then, and its clients."""

    def __init__(self, directory: Path, tree: dict[str, Any]) -> None:
        self._directory = directory
        self._tree = tree
        self._process: Process | None = None
        self.answered: set[str] = set()
        """Ids of requests whose client got all of an answer, whatever it is."""

    async def start(self) -> None:
        self._process = await Process.start(self._directory, self._tree, env={"OCTOROUTE_STATE_DIR": str(self._directory)})

    async def kill(self) -> None:
        assert self._process is not None
        await self._process.stop()

    async def end(self) -> None:
        assert self._process is not None
        self._process.signal(signal.SIGTERM)
        await self._process.ended(60)

    async def ask(self, number: int) -> None:
        assert self._process is not None
        id = f"r{number}"
        words = "hello" if number % 2 else "Prove that every bounded monotone sequence converges, and justify each step."
        body = question(f"{words} [{id}]", max_tokens=50, stream=number % 3 == 0, user=f"u{number % 7}")
        try:
            async with httpx2.AsyncClient(base_url=self._process.url, trust_env=False, timeout=60) as client:
                await client.post("/v1/chat/completions", json=body, headers={"x-request-id": id})
            self.answered.add(id)
        except httpx2.TransportError:
            await asyncio.sleep(0.05)

    async def run(self, numbers: range) -> None:
        left = iter(numbers)

        async def client() -> None:
            for number in left:
                await self.ask(number)

        await asyncio.gather(*(client() for _ in range(16)))


async def recorded(tree: dict[str, Any], directory: Path) -> dict[str, int]:
    """What the history has of each request, in micro-dollars."""
    runtime, found, cursor = Runtime(configured(tree), state_directory=directory), dict[str, int](), None
    while True:
        page = await runtime.history.page(HistoryFilter(), limit=1000, before=cursor)
        found |= {row.id: (row.cost_nusd or 0) // 1000 for row in page.rows}
        cursor = page.cursor
        if cursor is None:
            break
    await runtime.stop()
    return found


async def killed_books(requests: int, kills: int, directory: Path) -> dict[str, int]:
    """The books of a gateway that is killed while requests are under way. What it had answered before must be in them exactly."""
    from tests.support.fake import Fake

    chance, server = Random(7), redis_server.RedisServer(directory)
    server.start()
    fakes = [await Fake("small").start(), await Fake("big").start()]
    vendors = [Vendor("small", fakes[0], chance), Vendor("big", fakes[1], chance)]
    tree = tables(fakes, server.url)
    gateway = KilledGateway(directory, tree)
    each = requests // (kills + 1)
    await gateway.start()
    for part in range(kills + 1):
        clients = asyncio.ensure_future(gateway.run(range(part * each, (part + 1) * each)))
        if part < kills:
            while len(gateway.answered) < part * each + each // 2:
                await asyncio.sleep(0.01)
            await gateway.kill()
            await gateway.start()
        await clients
    await gateway.end()
    billed = vendors[0].bills + vendors[1].bills
    found = await recorded(tree, directory)
    backend, now = make(f"redis={server.url}"), Periods.of(time.time())
    window = f"everything:|month|{now.month.name}"
    async with asyncio.timeout(30):
        while (state := (await backend.read([window]))[window]).held:
            await asyncio.sleep(0.1)
    await backend.close()
    for fake in fakes:
        await fake.kill()
    server.stop()
    return {
        "billed": sum(billed.values()),
        "recorded": sum(found.values()),
        "settled": state.spent,
        "requests whose record differs from their bill": sum(billed[id] != cost for id, cost in found.items()),
        "requests that were billed and not recorded": len(missing := billed.keys() - found.keys()),
        "their bill": sum(billed[id] for id in missing),
        "of them answered": len(missing & gateway.answered),
        "kills": kills,
    }


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


async def main(requests: int) -> int:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    failed = False
    with tempfile.TemporaryDirectory() as place, backends(Path(place)) as words:
        for word in words:
            kind = word.partition("=")[0]
            admitted = over_admission(word)
            failed = failed or admitted["over"] > 0
            say(f"{kind}: {admitted}")
            say(f"{kind}: held after kill -9 for {await killed(word)} s, time to live {lease_load.TTL_S} s")
            far, near = await reservation_us(word, 10**12), await reservation_us(word, 300)
            say(f"{kind}: a reservation takes {far} us (p50), {near} us near its limit")
    with tempfile.TemporaryDirectory() as place:
        admitted = await workers(Path(place))
        failed = failed or max(admitted["admitted"], admitted["asked"]) > admitted["limit"]
        say(f"{PROCESSES} worker processes of one gateway: {admitted}")
    with tempfile.TemporaryDirectory() as place:
        found = await books(requests, Path(place))
        failed = failed or len({found["billed"], found["recorded"], found["settled"]}) > 1
        say(f"books: {found}")
    if redis_server.program() is not None:
        with tempfile.TemporaryDirectory() as place:
            after = await killed_books(requests, KILLS, Path(place))
            failed = failed or after["requests whose record differs from their bill"] > 0
            say(f"books of a gateway that is killed: {after}")
    return int(failed)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--requests", type=int, default=20_000)
    sys.exit(asyncio.run(main(parser.parse_args().requests)))
