"""A command reads what a gateway has written."""

from __future__ import annotations

import pytest

from octoroute.store.base import HistoryFilter, StoreUnavailable
from octoroute.store.stored_history import StoredHistory
from tests.support.databases import Setting
from tests.support.history import START_S, add, entry


async def test_what_a_gateway_has_written_is_read_beside_it(tmp_path):
    setting = Setting(tmp_path)
    store = setting.store()
    add(store, entry(START_S, "a"), entry(START_S + 1, "b"))
    await store.page(HistoryFilter(), limit=1)
    reader = StoredHistory(setting.database)
    assert (await reader.get("a")).row.id == "a"
    assert [row.id for row in (await reader.page(HistoryFilter(), limit=9)).rows] == ["b", "a"]
    assert [one.requests for one in await reader.aggregate(HistoryFilter())] == [2]
    setting.database.away = True
    reader.close()
    with pytest.raises(StoreUnavailable):
        await reader.get("a")
    setting.database.away = False
    await store.close()
