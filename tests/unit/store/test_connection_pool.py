"""Connections are used again, and one that could not be made is not tried again at once."""

from __future__ import annotations

import pytest

from octoroute.store.base import StoreUnavailable
from octoroute.store.connection_pool import RETRY_S, ConnectionPool
from octoroute.store.database import UnusableStore
from tests.support.databases import FlakyDatabase


def test_connections_are_used_again(tmp_path):
    pool = ConnectionPool(FlakyDatabase(tmp_path / "x.db"))
    first = pool.run(lambda connection: connection)
    assert pool.run(lambda connection: connection) is first
    with pytest.raises(StoreUnavailable):
        pool.run(lambda connection: connection.execute("SELECT nonsense"))
    assert pool.run(lambda connection: connection) is not first
    pool.close()


def test_a_database_that_is_away_is_asked_again_after_a_while(tmp_path):
    now = 0.0
    database = FlakyDatabase(tmp_path / "x.db")
    pool = ConnectionPool(database, lambda: now)
    database.away = True
    with pytest.raises(StoreUnavailable):
        pool.run(lambda connection: connection)
    database.away = False
    with pytest.raises(StoreUnavailable):
        pool.run(lambda connection: connection)
    now = RETRY_S
    pool.run(lambda connection: connection)
    pool.close()


def test_a_connection_that_is_in_use_when_the_pool_is_closed_is_closed_after_its_question(tmp_path):
    pool = ConnectionPool(FlakyDatabase(tmp_path / "x.db"))

    def question(connection):
        pool.close()
        return connection

    connection = pool.run(question)
    with pytest.raises(UnusableStore, match="closed"):
        connection.execute("SELECT 1")
