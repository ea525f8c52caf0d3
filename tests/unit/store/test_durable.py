"""Reads of a database that is away fail with a message, and connections are used again."""

from __future__ import annotations

import pytest

from octoroute.store.base import HistoryFilter, StoreUnavailable
from octoroute.store.durable import ConnectionPool
from tests.support.databases import FlakyDatabase, Setting
from tests.support.history import START_S, add, entry


async def test_a_read_fails_while_the_database_is_away(tmp_path):
    setting = Setting(tmp_path)
    setting.database.away = True
    store = setting.store()
    add(store, entry(START_S, "a"))
    with pytest.raises(StoreUnavailable, match="away"):
        await store.page(HistoryFilter(), limit=1)
    await store.close()


def test_connections_are_used_again(tmp_path):
    pool = ConnectionPool(FlakyDatabase(tmp_path / "x.db"))
    first = pool.run(lambda connection: connection)
    assert pool.run(lambda connection: connection) is first
    with pytest.raises(StoreUnavailable):
        pool.run(lambda connection: connection.execute("SELECT nonsense"))
    assert pool.run(lambda connection: connection) is not first
    pool.close()
