"""What the history costs: rows a second, bytes a row, and a page of a million requests, with SQLite and PostgreSQL.

python benches/history.py [--rows 1000000] [--store sqlite|postgresql]
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from octoroute.domain.endpoint import Secret
from octoroute.store.base import SEQ_BITS, AttemptRow, Dimension, HistoryEntry, HistoryFilter, HistoryRow, Labels, encode_attempts
from octoroute.store.database import Database
from octoroute.store.durable import DurableHistory
from octoroute.store.postgresql import PostgresqlDatabase
from octoroute.store.sqlite import SqliteDatabase
from octoroute.store.writer_thread import BatchWriter, WriterThread
from tests.support import postgresql

BATCH = 200
DAYS = 10
START_S = 1_800_000_000


def entries(count: int, seed: int = 1):
    """Requests of 40 keys to 12 endpoints, evenly over DAYS days; 3 % of them failed."""
    draw = random.Random(seed)
    step = DAYS * 86400 / count
    for number in range(count):
        at = START_S + number * step
        name = f"endpoint-{draw.randrange(12)}"
        failed = draw.random() < 0.03
        labels = Labels(
            ending="failed" if failed else "answered", status="502" if failed else "200", error=draw.choice(["timeout", "upstream_failed"]) if failed else "",
            key=f"team-{min(39, int(draw.expovariate(0.2)))}", dialect="openai", asked_for="auto", tier=("fast", "balanced", "deep")[int(name[9:]) % 3],
            strategy="learned", reason=draw.choice(["score", "length", "rule-a"]), endpoint=name, model=name, provider="openai", stream=draw.random() < 0.7,
        )  # fmt: skip
        prompt, completion = draw.randrange(20, 20000), draw.randrange(5, 900)
        cost = prompt * 150 + completion * 600
        took_us = draw.randrange(10**5, 10**6)
        attempts = (AttemptRow(endpoint=name, took_us=took_us, error="timeout"),) if failed else ()
        id = f"req_{int(at):08x}{draw.randrange(1 << 64):016x}"
        yield HistoryEntry(
            row=HistoryRow(
                seq=int(at * 1e6) << SEQ_BITS, id=id, labels=labels, total_us=draw.randrange(10**5, 10**7), first_event_us=draw.randrange(10**5, 10**6),
                routing_us=draw.randrange(20, 90), queued_us=None, cached_tokens=0, reasoning_tokens=0, input_tokens=0 if failed else prompt,
                output_tokens=0 if failed else completion, cost_nusd=None if failed else cost, attempt_us=None if failed else took_us,
                attempt_list=encode_attempts(attempts),
            )
        )  # fmt: skip


def _ignore(_result: str, _by: int) -> None:
    """Counts nothing."""


def history(database: Database) -> DurableHistory:
    batches = BatchWriter(database, None, kept_since=lambda: (0, 0), count=_ignore)
    return DurableHistory(database, WriterThread(batches))


def ingest(database: Database, count: int) -> tuple[float, float]:
    """Rows a second of elapsed and of this process's processor time; making the rows is not counted."""
    batches = BatchWriter(database, None, kept_since=lambda: (0, 0), count=_ignore)
    took = spent = 0.0
    waiting: list[HistoryEntry] = []
    for entry in entries(count):
        waiting.append(entry)
        if len(waiting) == BATCH:
            before, cpu = time.perf_counter(), time.process_time()
            batches.write(waiting)
            took += time.perf_counter() - before
            spent += time.process_time() - cpu
            waiting.clear()
    batches.close()
    assert batches.memory is None
    return count / took, count / spent


FILTERS: tuple[tuple[str, dict[Dimension, tuple[str, ...]]], ...] = (
    ("newest", {}),
    ("one key", {"key": ("team-3",)}),
    ("a rare key", {"key": ("team-39",)}),
    ("failed", {"ending": ("failed",)}),
    ("error of an endpoint", {"error": ("timeout",), "endpoint": ("endpoint-4",)}),
    ("tier, reason, key", {"tier": ("deep",), "reason": ("score",), "key": ("team-20",)}),
    ("nothing", {"key": ("team-1",), "error": ("no_such",)}),
)


async def pages(store: DurableHistory, rounds: int) -> None:
    draw = random.Random(2)
    every: list[float] = []
    await store.page(HistoryFilter(), limit=1)  # connects
    for name, where in FILTERS:
        times: list[float] = []
        for number in range(rounds):
            until = START_S + draw.random() * DAYS * 86400 if number % 2 else None
            before = time.perf_counter()
            page = await store.page(HistoryFilter(where=where, until_s=until), limit=50)
            times.append((time.perf_counter() - before) * 1000)
            assert len(page.rows) <= 50
        every += times
        print(f"  page, {name:22} p50 {statistics.median(times):7.1f} ms   p95 {sorted(times)[int(len(times) * 0.95)]:7.1f} ms")
    print(f"  page, all filters: p95 {sorted(every)[int(len(every) * 0.95)]:.1f} ms, worst {max(every):.1f} ms")
    times = []
    rows = [
        row for day in range(DAYS) for row in (await store.page(HistoryFilter(until_s=START_S + 86400.0 * (day + 1)), limit=5)).rows
    ]
    for row in rows:
        before = time.perf_counter()
        assert await store.get(row.id) is not None
        times.append((time.perf_counter() - before) * 1000)
    print(f"  one request by its id: p95 {sorted(times)[int(len(times) * 0.95)]:.1f} ms")
    before = time.perf_counter()
    sums = await store.aggregate(HistoryFilter(), by=("tier",), bucket_s=3600)
    print(f"  sums by hour and tier of {DAYS} days: {(time.perf_counter() - before) * 1000:.0f} ms, {len(sums)} rows")


async def measure(database: Database, count: int, rounds: int, size) -> None:
    print(f"{database.name.partition(':')[0] if '://' in database.name else 'sqlite'}: {count:,} rows")
    elapsed, spent = ingest(database, count)
    print(
        f"  ingest in batches of {BATCH}: {elapsed:,.0f} rows/s elapsed, {spent:,.0f} rows/s of processor time ({1e6 / spent:.1f} µs a row)"
    )
    print(f"  bytes a row: {size() / count:.0f}")
    store = history(database)
    await pages(store, rounds)
    await store.close()


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rows", type=int, default=1_000_000)
    arguments.add_argument("--rounds", type=int, default=40)
    arguments.add_argument("--store", choices=["sqlite", "postgresql"])
    chosen = arguments.parse_args()
    if chosen.store != "postgresql":
        with tempfile.TemporaryDirectory(prefix="octoroute-history-") as directory:
            file = Path(directory) / "history.db"
            asyncio.run(
                measure(
                    SqliteDatabase(file),
                    chosen.rows,
                    chosen.rounds,
                    lambda: sum(path.stat().st_size for path in Path(directory).iterdir() if path.suffix == ".db"),
                )
            )
    if chosen.store != "sqlite":
        with postgresql.running() as server:
            asyncio.run(measure(PostgresqlDatabase(Secret(server.url)), chosen.rows, chosen.rounds, lambda: _size(server.url)))


def _size(url: str) -> int:
    import psycopg  # noqa: PLC0415

    with psycopg.connect(url) as connection:
        row = connection.execute(
            "SELECT sum(pg_total_relation_size(c.oid)) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'octoroute' AND c.relkind = 'r'"
        ).fetchone()
        assert row is not None
        return int(row[0])


if __name__ == "__main__":
    main()
