"""Budgets at length: python tests/torture/budgets.py [--requests 20000]

Over-admission: 10,000 reservations of 4 processes at once, in SQLite, PostgreSQL, and Redis; 0 may be above the limit. A process with
100 open leases is killed: how long its amounts stay held. The time of one reservation. And the books: so many requests through a
gateway to vendors that fail, with the shared store away for a while; settled, recorded, and billed must be the same.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import logging
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random
from statistics import median

import httpx2
import structlog

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from octoroute.access.leases.lease import BudgetLease  # noqa: E402
from octoroute.access.leases.ledger import Ledger  # noqa: E402
from octoroute.domain.ids import new_id  # noqa: E402
from octoroute.runtime.tasks import TaskOwner  # noqa: E402
from tests.support import lease_load, postgresql, redis_server  # noqa: E402
from tests.support.books import Chaos, Vendor, tables  # noqa: E402
from tests.support.lease_backends import charge, make  # noqa: E402
from tests.support.live_gateway import LiveGateway, Process, endpoint, question, settings  # noqa: E402

ATTEMPTS, PROCESSES, LIMIT = 10_000, 4, 18_000
AWAY_S = 60.0


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
    return int(failed)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--requests", type=int, default=20_000)
    sys.exit(asyncio.run(main(parser.parse_args().requests)))
