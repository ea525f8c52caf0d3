"""The file of SQLite: private, ours, and brought up to date from each earlier version."""

from __future__ import annotations

import sqlite3

import pytest

from octoroute.store import schema
from octoroute.store.sqlite import APPLICATION_ID, SqliteDatabase
from tests.support.databases import Setting
from tests.support.history import START_S, entry


def test_the_file_and_its_directory_are_private(tmp_path):
    database = SqliteDatabase(tmp_path / "state" / "octoroute.db")
    database.connect().close()
    assert database.file.stat().st_mode & 0o777 == 0o600
    assert database.file.parent.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("version", range(len(schema.SQLITE)))
def test_each_earlier_version_is_brought_up_to_date(tmp_path, version):
    file = tmp_path / "history.db"
    old = sqlite3.connect(file)
    for statements in schema.SQLITE[:version]:
        for statement in statements:
            old.execute(statement)
    if version:
        old.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    old.execute(f"PRAGMA user_version = {version}")
    old.commit()
    old.close()
    setting = Setting(tmp_path)
    setting.batches.write([entry(START_S)])
    assert setting.counts == {"written": 1}
    connection = SqliteDatabase(file).connect()
    assert connection.execute("PRAGMA user_version").fetchone() == (len(schema.SQLITE),)
    assert connection.execute("SELECT count(*) FROM responses").fetchone() == (0,)
    connection.close()


def test_people_can_ask_with_sql(tmp_path):
    setting = Setting(tmp_path)
    setting.batches.write([entry(START_S, "a", key="team"), entry(START_S + 86400, "b", tier="deep")])
    connection = SqliteDatabase(setting.database.file).connect()
    rows = connection.execute("SELECT id, tier, ended_at FROM requests ORDER BY seq").fetchall()
    connection.close()
    assert rows == [("a", "fast", "2027-01-15 08:00:00"), ("b", "deep", "2027-01-16 08:00:00")]
