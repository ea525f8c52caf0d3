"""What is put aside in memory or on disk when a person is forgotten is not written later."""

from __future__ import annotations

import time

import pytest

from octoroute.store.base import Body, HistoryFilter, StoreUnavailable
from octoroute.store.erasure import Marks, drop_marks, forget_key
from octoroute.store.sqlite import SqliteDatabase
from octoroute.store.stored_history import StoredHistory
from octoroute.store.vault import Vault
from octoroute.store.writer_thread import BatchWriter
from tests.support.databases import Setting
from tests.support.history import entry

NOW = time.time()
JANE = Body(request=b'{"user": "jane"}', response=b"")
CUT_OFF = Body(request=b'{"user": "jane", "messages": [{"ro', response=b"")


async def ids(history) -> set[str]:
    return {row.id for row in (await history.page(HistoryFilter(), limit=99)).rows}


@pytest.mark.parametrize(("kind", "kept"), [("key", {"c", "d", "new"}), ("user", {"a", "b", "new"})])
async def test_entries_in_the_spool_of_another_process_are_not_written_later(tmp_path, kind, kept):
    away = Setting(tmp_path)
    away.database.away = True
    away.batches.write(
        [
            entry(NOW - 3, "a", key="jane"),
            entry(NOW - 2, "b", key="jane"),
            entry(NOW - 1, "c", body=JANE),
            entry(NOW - 0.5, "d", body=JANE),
        ]
    )
    assert away.counts == {"spooled": 4}
    history = StoredHistory(Setting(tmp_path).database)
    found = await (history.forget("jane") if kind == "key" else history.forget_user("jane"))
    assert found.requests == 0
    away.database.away = False
    away.batches._retry_at = None
    away.batches.write([entry(time.time() + 60, "new", key="jane")])
    assert await ids(history) == kept
    assert [one.requests for one in await history.aggregate(HistoryFilter())] == [3]
    away.batches.close()
    history.close()


async def test_a_body_that_was_cut_off_is_told_by_its_beginning(tmp_path):
    setting = Setting(tmp_path)
    setting.batches.write([entry(NOW, "a", body=CUT_OFF)])
    history = StoredHistory(setting.database)
    assert (await history.forget_user("jan")).requests == 0
    assert (await history.forget_user("jane")).requests == 1
    setting.batches.close()
    history.close()


async def test_sealed_bodies_are_opened_and_what_cannot_be_is_said(tmp_path):
    pytest.importorskip("cryptography")
    old, new = bytes(32), bytes([1]) * 32
    for at, keys in enumerate(([old], [new])):
        batches = BatchWriter(
            SqliteDatabase(tmp_path / "history.db", vault=Vault(keys)), None, kept_since=lambda: (0, 0), count=lambda _, __: None
        )
        batches.write([entry(NOW + at, str(at), body=JANE)])
        batches.close()
    half = StoredHistory(SqliteDatabase(tmp_path / "history.db", vault=Vault([new])))
    with pytest.raises(StoreUnavailable, match="1 bodies or responses cannot be read, and stay"):
        await half.forget_user("jane")
    assert await ids(half) == {"0"}
    half.close()
    whole = StoredHistory(SqliteDatabase(tmp_path / "history.db", vault=Vault([new, old])))
    assert (await whole.forget_user("jane")).bodies == 1
    whole.close()


async def test_marks_hold_no_name_and_go_with_the_retention(tmp_path):
    setting = Setting(tmp_path)
    connection = setting.database.connect()
    forget_key(setting.database, connection, "jane.doe@example.org", 5000)
    assert Marks(connection)
    assert all(b"jane.doe" not in path.read_bytes() for path in tmp_path.iterdir() if path.is_file())
    drop_marks(connection, 5000)
    assert Marks(connection)
    drop_marks(connection, 5001)
    assert not Marks(connection)
    connection.close()
