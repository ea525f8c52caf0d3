"""Which store a configuration chooses."""

from __future__ import annotations

from pathlib import Path

import pytest

from octoroute.runtime.persistence import database_of, kept_since, spool_directory
from octoroute.store.postgresql import PostgresqlDatabase
from octoroute.store.sqlite import SqliteDatabase

STATE = Path("/var/lib/octoroute")


@pytest.mark.parametrize(
    ("url", "state", "file"),
    [
        ("", STATE, STATE / "octoroute.db"),
        ("", None, None),
        ("none", STATE, None),
        ("sqlite:///history.db", STATE, Path("history.db")),
        ("sqlite:////var/history.db", None, Path("/var/history.db")),
        ("sqlite:///~/history.db", None, Path.home() / "history.db"),
    ],
)
def test_sqlite(url, state, file):
    database = database_of(url, state)
    assert (database.file if isinstance(database, SqliteDatabase) else None) == file


def test_each_database_has_a_spool_of_its_own():
    one, two = (database_of(f"postgresql://u:p@h/{name}", STATE) for name in ("one", "two"))
    assert isinstance(one, PostgresqlDatabase)
    assert spool_directory(one, STATE) != spool_directory(two, STATE)
    assert spool_directory(one, None) is None
    assert spool_directory(SqliteDatabase(Path("/a/b.db")), None) == Path("/a/b.db-spool")


def test_hourly_sums_outlive_requests():
    assert kept_since(30, 86400 * 20000) == (19970, 19600)
    assert kept_since(1000, 86400 * 20000) == (19000, 19000)
