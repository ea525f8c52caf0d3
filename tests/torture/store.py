"""The history at its worst, with real processes: python tests/torture/store.py [NAME ...] [--seconds S] [--rounds N]

kill     kill -9 of the gateway under load, SQLite and PostgreSQL: how old the oldest answered request is that is missing afterwards,
         whether the file opens again, and what of settled money is missing
disk     a file system of a few MB is full: answers go on, one message, and all is there when there is room again
outage   PostgreSQL is stopped for S seconds under load: no failed answer, no row lost
crash    kill -9 of PostgreSQL under load, and its recovery: no failed answer, no row lost

Each prints its figures as a line of JSON and raises AssertionError when a promise is broken.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path
from typing import Any

import httpx2

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from octoroute.domain.endpoint import Secret  # noqa: E402
from octoroute.store.base import HistoryFilter  # noqa: E402
from octoroute.store.postgresql import PostgresqlDatabase  # noqa: E402
from octoroute.store.sqlite import SqliteDatabase  # noqa: E402
from octoroute.store.stored_history import StoredHistory  # noqa: E402
from tests.support import postgresql  # noqa: E402
from tests.support.fake import Fake, completion, whole  # noqa: E402
from tests.support.live_gateway import Process, endpoint, settings  # noqa: E402
from tests.torture.stage import Figures  # noqa: E402

CLIENTS = 16
MAX_LOST_MS = 100
PRICE = {"input": 2.0, "output": 10.0}
COST_MICROS = 7 * 2 + 3 * 10
"""Of one answer of the model server."""


class Gateway(Process):
    """Whose lines about single requests are not kept."""

    async def _read(self) -> None:
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            if b"request_id" not in line:
                self.lines.append(line)
                self._news.set()
        self._news.set()


class Load:
    """Clients that ask as fast as they get answers, and note when each one came."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.answered: dict[str, float] = {}
        """By request id, the monotonic time of its answer."""
        self.failed: list[str] = []
        self._stopping = False

    async def run(self, prefix: str) -> None:
        async with httpx2.AsyncClient(timeout=30, trust_env=False) as client:
            await asyncio.gather(*(self._ask(client, f"{prefix}-{number}") for number in range(CLIENTS)))

    async def _ask(self, client: httpx2.AsyncClient, name: str) -> None:
        body = {"model": "auto", "messages": [{"role": "user", "content": "hello there"}]}
        number = 0
        while not self._stopping:
            id = f"{name}-{number}"
            number += 1
            try:
                answer = await client.post(f"{self.url}/v1/chat/completions", json=body, headers={"x-request-id": id})
            except httpx2.HTTPError as error:
                if not self._stopping:
                    self.failed.append(f"{id}: {error!r}")
                return
            if answer.status_code == 200:
                self.answered[id] = time.monotonic()
            else:
                self.failed.append(f"{id}: {answer.status_code} {answer.text}")

    def stop(self) -> None:
        self._stopping = True


@asynccontextmanager
async def loaded(url: str, prefix: str) -> AsyncIterator[Load]:
    load = Load(url)
    task = asyncio.ensure_future(load.run(prefix))
    try:
        yield load
    finally:
        load.stop()
        await task


def config(fake: Fake, store: str, **tables: Any) -> dict[str, Any]:
    return settings(
        [endpoint(fake, id="a", price=PRICE)],
        store={"url": store},
        observability={"log_level": "info", "log_format": "json"},
        **tables,
    )


def database_of(url: str) -> SqliteDatabase | PostgresqlDatabase:
    file = url.removeprefix("sqlite:///")
    return SqliteDatabase(Path(file)) if file != url else PostgresqlDatabase(Secret(url))


async def ids_in(url: str) -> set[str]:
    history = StoredHistory(database_of(url))
    found: set[str] = set()
    before: int | None = None
    try:
        while True:
            page = await history.page(HistoryFilter(), limit=1000, before=before)
            found |= {row.id for row in page.rows}
            if (before := page.cursor) is None:
                return found
    finally:
        history.close()


async def written(url: str, wanted: set[str], within_s: float = 30.0) -> set[str]:
    """The wanted requests that are missing after a while."""
    end = time.monotonic() + within_s
    while missing := wanted - await ids_in(url):
        if time.monotonic() > end:
            return missing
        await asyncio.sleep(0.25)
    return set()


async def kill(directory: Path, fake: Fake, url: str, seconds: float, round_: str) -> dict[str, Any]:
    limits = directory / f"limits-{round_}.db"
    tree = config(fake, url, shared={"url": f"sqlite:///{limits}"}, limits={"everything": {"budget_usd": {"month": 1000.0}}})
    gateway = await Gateway.start(directory, tree, ready=True)
    async with loaded(gateway.url, f"k{round_}") as load:
        await asyncio.sleep(seconds)
        gateway.signal(signal.SIGKILL)
        killed = time.monotonic()
        load.stop()
    await gateway.ended()
    answered = {id: at for id, at in load.answered.items() if at < killed}
    money = spent_micros(limits)
    again = await Gateway.start(directory, tree, ready=True)  # the file opens, and a spool is taken in
    missing = await written(url, set(answered), within_s=0.0)
    log = [line for line in again.log() if line.get("level") in {"error", "warning"}]
    await again.stop()
    lost_ms = max((killed - answered[id]) * 1000 for id in missing) if missing else 0.0
    assert not log, log
    assert lost_ms <= MAX_LOST_MS, f"a request is missing that was answered {lost_ms:.0f} ms before the kill"
    assert money["spent"] + money["held"] >= len(answered) * COST_MICROS, (money, len(answered))
    unsettled = max(0, len(answered) * COST_MICROS - money["spent"])
    return {
        "answered": len(answered),
        "rows_lost": len(missing),
        "oldest_lost_ms": round(lost_ms, 1),
        "answered_per_s": round(len(answered) / seconds),
        "answers_not_settled": unsettled // COST_MICROS,
    }


def spent_micros(file: Path) -> dict[str, int]:
    """Of the month's budget of all requests, as it is on disk."""
    with closing(sqlite3.connect(file)) as connection:
        select = "SELECT coalesce(sum({}), 0) FROM {} WHERE name LIKE 'everything:|month|%'"
        (spent,) = connection.execute(select.format("spent", "lease_window")).fetchone()
        (held,) = connection.execute(select.format("amount", "lease_held")).fetchone()
    return {"spent": spent, "held": held}


async def kills(*, rounds: int, seconds: float) -> Figures:
    found: Figures = {}
    with postgresql.running() as server:
        for kind in ("sqlite", "postgresql"):
            async with served() as (fake, directory):
                url = f"sqlite:///{directory}/history.db" if kind == "sqlite" else server.url
                figures = [await kill(directory, fake, url, seconds, f"{kind}{at}") for at in range(rounds)]
            found[kind] = {
                "rounds": rounds,
                "oldest_lost_ms": max(one["oldest_lost_ms"] for one in figures),
                **{name: sum(one[name] for one in figures) for name in ("answered", "rows_lost", "answers_not_settled")},
                "answered_per_s": round(sum(one["answered_per_s"] for one in figures) / rounds),
            }
    return found


async def full_disk(*, rounds: int, seconds: float) -> Figures:
    if os.geteuid() != 0:
        return {"skipped": "only root may mount a file system of a few MB"}
    async with served() as (fake, directory):
        with small_disk(directory / "disk", "2m") as disk:
            return await fill(fake, directory, disk, seconds)


async def fill(fake: Fake, directory: Path, disk: Path, seconds: float) -> Figures:
    url = f"sqlite:///{disk}/history.db"
    gateway = await Gateway.start(directory, config(fake, url))
    try:
        async with loaded(gateway.url, "d") as load:
            await gateway.line("store unavailable: requests are answered, their history waits", within_s=120)
            at_full = len(load.answered)
            await asyncio.sleep(seconds)
        messages = [line["problem"] for line in gateway.log() if line.get("level") == "error"]
        kept = await ids_in(url)
        subprocess.run(["mount", "-o", "remount,size=256m", str(disk)], check=True)
        missing = await written(url, set(load.answered))
    finally:
        await gateway.stop()
    assert not load.failed, load.failed[:3]
    assert len(messages) == 1, messages
    assert "the disk is full" in messages[0], messages
    assert len(kept) >= at_full // 2, "what was written before is still there"
    assert not missing, len(missing)
    with closing(sqlite3.connect(disk / "history.db")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    return {"answered_before_full": at_full, "answered_while_full": len(load.answered) - at_full, "failed": 0, "rows_lost": 0}


async def outage(*, rounds: int, seconds: float) -> Figures:
    with postgresql.running() as server:
        return await without_server(server, server.stop, seconds)


async def crash(*, rounds: int, seconds: float) -> Figures:
    with postgresql.running() as server:
        return await without_server(server, server.kill, seconds)


async def without_server(server: postgresql.Server, end: Callable[[], None], seconds: float) -> Figures:
    async with served() as (fake, directory):
        gateway = await Gateway.start(directory, config(fake, server.url), env={"OCTOROUTE_STATE_DIR": str(directory)})
        try:
            async with loaded(gateway.url, "o") as load:
                await asyncio.sleep(1)
                before = len(load.answered)
                await asyncio.to_thread(end)
                await asyncio.sleep(seconds)
                during = len(load.answered) - before
                await asyncio.to_thread(server.start)
                await asyncio.sleep(1)
            missing = await written(server.url, set(load.answered))
            messages = [line["event"] for line in gateway.log() if line.get("level") == "error"]
        finally:
            await gateway.stop()
    assert not load.failed, load.failed[:3]
    assert not missing, len(missing)
    assert len(messages) == 1, messages
    return {"answered": len(load.answered), "answered_meanwhile": during, "failed": 0, "rows_lost": 0}


@asynccontextmanager
async def served() -> AsyncIterator[tuple[Fake, Path]]:
    """A model server, and a directory for the gateway."""
    fake = await Fake().start()
    fake.always(whole(completion()))
    try:
        with tempfile.TemporaryDirectory(prefix="octoroute-store-") as directory:
            yield fake, Path(directory)
    finally:
        await fake.kill()


@contextmanager
def small_disk(place: Path, size: str) -> Iterator[Path]:
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


SCENARIOS: dict[str, Callable[..., Coroutine[Any, Any, Figures]]] = {
    "kill": kills,
    "disk": full_disk,
    "outage": outage,
    "crash": crash,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "names", nargs="*", choices=[*SCENARIOS, []], metavar="NAME", help=f"of {', '.join(SCENARIOS)}; default: all"
    )
    parser.add_argument("--seconds", type=float, default=3.0, help="of load before a kill, or of an outage (60: the long form)")
    parser.add_argument("--rounds", type=int, default=5, help="of kills")
    args = parser.parse_args()
    for name in args.names or SCENARIOS:
        since = time.monotonic()
        figures = asyncio.run(SCENARIOS[name](rounds=args.rounds, seconds=args.seconds))
        print(json.dumps({"name": name, **figures, "took_s": round(time.monotonic() - since, 1)}), flush=True)  # noqa: T201 - a command


if __name__ == "__main__":
    main()
