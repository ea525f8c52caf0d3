"""Reads of a database that is away fail with a message."""

from __future__ import annotations

import pytest

from octoroute.store.base import HistoryFilter, StoreUnavailable
from tests.support.databases import Setting
from tests.support.history import START_S, add, entry


async def test_a_read_fails_while_the_database_is_away(tmp_path):
    setting = Setting(tmp_path)
    setting.database.away = True
    store = setting.store()
    add(store, entry(START_S, "a"))
    with pytest.raises(StoreUnavailable, match="away"):
        await store.page(HistoryFilter(), limit=1)
    await store.close()
