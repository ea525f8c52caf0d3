"""Whatever happens to the database, writing never raises, nothing is lost that there is room for, and there is one message."""

from __future__ import annotations

import sqlite3

import pytest
from structlog.testing import capture_logs

from octoroute.store import writer_thread
from octoroute.store.base import Body, HistoryFilter
from octoroute.store.database import day_at
from octoroute.store.sqlite import SqliteDatabase
from tests.support.databases import Setting
from tests.support.history import START_S, add, entry


async def ids(setting, database=None) -> list[str]:
    other = Setting(setting.database.file.parent)
    store = other.store()
    page = await store.page(HistoryFilter(), limit=1000)
    await store.close()
    return [row.id for row in reversed(page.rows)]


class Time:
    now = 0.0

    def __call__(self) -> float:
        return self.now


async def test_what_is_written_while_the_database_is_away_waits_on_disk(tmp_path):
    time = Time()
    setting = Setting(tmp_path, now=time)
    with capture_logs() as logs:
        setting.batches.write([entry(START_S, "a")])
        setting.database.away = True
        for number in range(3):
            setting.batches.write([entry(START_S + 1 + number, f"b{number}")])
        assert setting.counts == {"written": 1, "spooled": 3}
        setting.database.away = False
        setting.batches.write([entry(START_S + 9, "c")])
        assert setting.counts["spooled"] == 4, "it is not asked again at once"
        time.now = writer_thread.RETRY_S
        setting.batches.write([entry(START_S + 10, "d")])
    assert setting.counts == {"written": 6, "spooled": 4}
    assert await ids(setting) == ["a", "b0", "b1", "b2", "c", "d"]
    assert [log["event"].partition(":")[0] for log in logs] == ["store unavailable", "store available"]
    assert not list((tmp_path / "spool").iterdir())


async def test_a_later_process_writes_what_an_earlier_one_left_on_disk(tmp_path):
    first = Setting(tmp_path)
    first.database.away = True
    first.batches.write([entry(START_S, "a"), entry(START_S + 1, "b")])
    assert first.spool is not None
    first.spool._close()  # as the end of its process would
    second = Setting(tmp_path)
    second.batches.open()
    assert second.counts == {"written": 2}
    assert await ids(second) == ["a", "b"]


async def test_without_a_spool_entries_wait_in_memory_and_the_newest_are_lost_when_it_is_full(tmp_path, monkeypatch):
    monkeypatch.setattr(writer_thread, "MAX_PENDING", 3)
    time = Time()
    setting = Setting(tmp_path, spool_bytes=None, now=time)
    setting.database.away = True
    setting.batches.write([entry(START_S + number, str(number)) for number in range(5)])
    assert setting.counts == {"lost": 2}
    setting.database.away = False
    time.now = 5.0
    setting.batches.write([])
    assert await ids(setting) == ["0", "1", "2"]


async def test_a_full_spool_leaves_entries_in_memory(tmp_path):
    time = Time()
    setting = Setting(tmp_path, spool_bytes=900, now=time)
    setting.database.away = True
    for number in range(4):
        setting.batches.write([entry(START_S + number, str(number))])
    assert 0 < setting.counts["spooled"] < 4
    setting.database.away = False
    time.now = 5.0
    setting.batches.write([])
    assert await ids(setting) == ["0", "1", "2", "3"]


async def test_a_file_that_another_process_has_locked_is_written_when_it_is_free(tmp_path):
    time = Time()
    setting = Setting(tmp_path, now=time)
    setting.batches.write([entry(START_S, "a")])
    other = sqlite3.connect(setting.database.file, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with capture_logs() as logs:
        setting.batches.write([entry(START_S + 1, "b")])
        setting.batches.write([entry(START_S + 2, "c")])
    assert [log["problem"].partition(": ")[2] for log in logs] == ["another process has locked it"]
    other.execute("ROLLBACK")
    other.close()
    time.now = 5.0
    setting.batches.write([])
    assert await ids(setting) == ["a", "b", "c"]


def newer(file):
    database = sqlite3.connect(file)
    database.execute("PRAGMA application_id = 0x0C707072")
    database.execute("PRAGMA user_version = 99")
    database.close()


def foreign(file):
    database = sqlite3.connect(file)
    database.execute("CREATE TABLE precious (x)")
    database.commit()
    database.close()


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (newer, "newer octoroute"),
        (foreign, "another program's database"),
        (lambda file: file.write_bytes(b"not a database at all" * 500), "damaged or no database"),
        (lambda file: file.mkdir(), "cannot be opened"),
    ],
    ids=["newer schema", "another program's", "damaged", "a directory"],
)
async def test_a_database_that_must_not_be_written_is_left_alone_and_said_once(tmp_path, spoil, problem):
    file = tmp_path / "history.db"
    spoil(file)
    before = file.read_bytes() if file.is_file() else b""
    setting = Setting(tmp_path)
    store = setting.store()
    with capture_logs() as logs:
        add(store, entry(START_S, "a"))
        found = await store.get("a")
        add(store, entry(START_S + 1, "b"))
    assert [problem in log["problem"] for log in logs] == [True]
    assert found is not None, "the history is in memory"
    assert [row.id for row in (await store.page(HistoryFilter(), limit=9)).rows] == ["b", "a"]
    await store.close()
    assert (file.read_bytes() if file.is_file() else b"") == before


async def test_a_file_damaged_while_it_is_written_is_given_up(tmp_path):
    time = Time()
    setting = Setting(tmp_path, now=time)
    setting.batches.write([entry(START_S, "a")])
    setting.batches.close()
    setting.database.file.write_bytes(b"\x00garbage" * 4096)
    with capture_logs() as logs:
        setting.batches.write([entry(START_S + 1, "b")])
        setting.batches.write([entry(START_S + 2, "c")])
    assert len(logs) == 1
    assert setting.batches.memory is not None
    assert setting.database.file.read_bytes() == b"\x00garbage" * 4096


def test_days_beyond_the_retention_are_dropped(tmp_path):
    today = day_at(START_S)
    setting = Setting(tmp_path, kept_since=lambda: (today - 1, today - 2))
    setting.batches.write([entry(START_S - 86400 * days, str(days)) for days in range(5)])
    database = SqliteDatabase(setting.database.file)
    connection = database.connect()
    assert database.days(connection) == [today - 1, today]
    assert connection.execute("SELECT count(*) FROM rollups").fetchone() == (3,)
    assert connection.execute("SELECT count(*) FROM requests").fetchone() == (2,)
    connection.close()


async def test_rows_wait_without_their_bodies_where_there_is_no_room_for_them(tmp_path):
    setting = Setting(tmp_path, spool_bytes=2_000)
    setting.database.away = True
    setting.batches.write([entry(START_S, "a", body=Body(request=b"x" * 5_000, response=b""))])
    assert setting.counts == {"spooled": 1}
    ((kept,),) = setting.spool.batches()
    assert kept == entry(START_S, "a")


async def test_an_entry_that_the_database_rejects_costs_no_other(tmp_path):
    setting = Setting(tmp_path)
    entries = [entry(START_S + number, str(number)) for number in range(5)]
    entries[2] = entry(START_S + 2, "2", total_us=1 << 70)
    with capture_logs() as logs:
        setting.batches.write(entries)
    assert setting.counts == {"written": 4, "lost": 1}
    assert [log["request_id"] for log in logs] == ["2"]
    assert await ids(setting) == ["0", "1", "3", "4"]


async def test_an_entry_that_cannot_be_made_costs_no_other(tmp_path):
    setting = Setting(tmp_path)
    store = setting.store()
    add(store, entry(START_S, "a"))
    store.append(lambda: 1 // 0)
    add(store, entry(START_S + 1, "b"))
    assert [row.id for row in (await store.page(HistoryFilter(), limit=9)).rows] == ["b", "a"]
    assert setting.counts == {"written": 2, "lost": 1}
    await store.close()


async def test_closing_writes_what_was_appended(tmp_path):
    setting = Setting(tmp_path)
    store = setting.store()
    add(store, *(entry(START_S + number, str(number)) for number in range(500)))
    await store.close()
    assert len(await ids(setting)) == 500
