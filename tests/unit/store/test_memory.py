"""The history in memory forgets the oldest; tests/contract/test_stores.py has what it shares with the databases."""

from __future__ import annotations

from octoroute.store.base import HistoryFilter
from octoroute.store.memory import ENTRIES_PER_TURN, MemoryHistory, hours
from tests.support.history import START_S, add, entry


async def test_the_oldest_are_forgotten():
    store = MemoryHistory(max_entries=2)
    add(store, *(entry(START_S + n, str(n)) for n in range(3)))
    assert await store.get("0") is None
    assert [row.id for row in (await store.page(HistoryFilter(), limit=9)).rows] == ["2", "1"]


async def test_entries_are_made_when_they_are_read_and_only_those_that_are_kept():
    store, made = MemoryHistory(max_entries=2 * ENTRIES_PER_TURN), []

    def source(number):
        def make():
            made.append(number)
            return entry(START_S + number, str(number))

        return make

    for number in range(3 * ENTRIES_PER_TURN):
        store.append(source(number))
    assert made == []
    assert (await store.page(HistoryFilter(), limit=1)).rows[0].id == str(3 * ENTRIES_PER_TURN - 1)
    assert made == [*range(ENTRIES_PER_TURN, 3 * ENTRIES_PER_TURN)]
    store.append(source(0))
    assert (await store.page(HistoryFilter(), limit=1)).rows[0].id == "0"
    assert len(made) == 2 * ENTRIES_PER_TURN + 1


def test_times_are_widened_to_whole_hours():
    assert hours(HistoryFilter(since_s=START_S + 1, until_s=START_S + 3601)) == (START_S, START_S + 7200)
    assert hours(HistoryFilter(since_s=START_S, until_s=START_S + 3600)) == (START_S, START_S + 3600)
