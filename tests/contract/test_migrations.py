"""A database of each earlier version is brought up to date with what is in it, over SQLite and PostgreSQL.

The next migration is covered by itself: each version is made by the statements that led to it.
"""

from __future__ import annotations

import asyncio

import pytest

from octoroute.domain.endpoint import Secret
from octoroute.domain.sketch import DDSketch
from octoroute.store import schema
from octoroute.store.base import HistoryFilter
from octoroute.store.durable import DurableHistory
from octoroute.store.postgresql import SCHEMA, PostgresqlDatabase
from octoroute.store.rows import LABEL_COLUMNS, LABELS, label_values, pack_sketch
from octoroute.store.sqlite import APPLICATION_ID, SqliteDatabase
from octoroute.store.writer_thread import BatchWriter, WriterThread
from tests.support import postgresql
from tests.support.history import START_S, entry

START_HOUR = START_S // 3600


@pytest.fixture(scope="module")
def server():
    if postgresql.programs() is None:
        pytest.skip("PostgreSQL is not installed (Debian: postgresql)")
    with postgresql.running() as running:
        yield running


def rows_of_version_1() -> list[tuple[str, tuple[object, ...]]]:
    """A label, the sums of an hour, and the day they are of, as version 1 has them."""
    old = entry(START_S, "old", key="ann").row
    empty = pack_sketch(DDSketch())
    labels = ", ".join("?" * (len(LABELS) + 1))
    return [
        (f"INSERT INTO labels (packed, {LABEL_COLUMNS}) VALUES ({labels})", ("old", *label_values(old.labels))),
        ("INSERT INTO rollups VALUES (?, 1, 5, 5, 50, 25, 0, 0, 7000, 5, ?, ?)", (START_HOUR, empty, empty)),
        ("INSERT INTO label_days VALUES (?, 1, 5)", (START_S // 86400,)),
    ]


def make_sqlite(file, version: int) -> SqliteDatabase:
    import sqlite3

    old = sqlite3.connect(file)
    for statement in [one for statements in schema.SQLITE[:version] for one in statements]:
        old.execute(statement)
    for statement, values in rows_of_version_1():
        old.execute(statement, values)
    old.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    old.execute(f"PRAGMA user_version = {version}")
    old.commit()
    old.close()
    return SqliteDatabase(file)


def make_postgresql(server, version: int) -> PostgresqlDatabase:
    import psycopg

    server.empty()
    with psycopg.connect(server.url, autocommit=True) as old:
        old.execute(f"CREATE SCHEMA {SCHEMA}")
        old.execute(f"SET search_path TO {SCHEMA}")
        for statement in [one for statements in schema.POSTGRESQL[:version] for one in statements]:
            old.execute(statement)
        for statement, values in rows_of_version_1():
            old.execute(statement.replace("?", "%s"), values)
        old.execute("INSERT INTO meta (name, value) VALUES ('version', %s)", (version,))
    return PostgresqlDatabase(Secret(server.url))


@pytest.mark.parametrize("version", range(1, len(schema.SQLITE)))
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_what_an_earlier_version_has_is_kept_and_goes_on(request, tmp_path, kind, version):
    assert len(schema.SQLITE) == len(schema.POSTGRESQL)
    if kind == "sqlite":
        database = make_sqlite(tmp_path / "history.db", version)
    else:
        database = await asyncio.to_thread(make_postgresql, request.getfixturevalue("server"), version)
    counts: list[tuple[str, int]] = []
    batches = BatchWriter(database, None, kept_since=lambda: (0, 0), count=lambda result, by: counts.append((result, by)))
    store = DurableHistory(database, WriterThread(batches))
    store.append(lambda: entry(START_S + 60, "new", key="bob"))
    assert [row.id for row in (await store.page(HistoryFilter(), limit=9)).rows] == ["new"]
    sums = await store.aggregate(HistoryFilter(), by=("key",))
    assert [(one.group["key"], one.requests) for one in sums] == [("ann", 5), ("bob", 1)]
    assert counts == [("written", 1)]
    assert (await store.forget("ann")).requests == 0
    assert [one.group["key"] for one in await store.aggregate(HistoryFilter(), by=("key",))] == ["bob"]
    await store.close()
