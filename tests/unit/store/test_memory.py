"""The history in memory forgets the oldest; tests/contract/test_stores.py has what it shares with the databases."""

from __future__ import annotations

from octoroute.store.base import HistoryFilter
from octoroute.store.memory import MemoryHistory, hours
from tests.support.history import START_S, add, entry


async def test_the_oldest_are_forgotten():
    store = MemoryHistory(max_entries=2)
    add(store, *(entry(START_S + n, str(n)) for n in range(3)))
    assert await store.get("0") is None
    assert [row.id for row in (await store.page(HistoryFilter(), limit=9)).rows] == ["2", "1"]


def test_times_are_widened_to_whole_hours():
    assert hours(HistoryFilter(since_s=START_S + 1, until_s=START_S + 3601)) == (START_S, START_S + 7200)
    assert hours(HistoryFilter(since_s=START_S, until_s=START_S + 3600)) == (START_S, START_S + 3600)
