"""What only a database has to do: pages over many days and labels, of which some are rare."""

from __future__ import annotations

import pytest

from octoroute.store.base import HistoryFilter
from tests.support.databases import Setting
from tests.support.history import START_S, entry

KEYS = 300
DAYS = 4


@pytest.fixture
async def store(tmp_path):
    setting = Setting(tmp_path)
    setting.batches.write(
        [
            entry(
                START_S + number * 86400 * DAYS / 1200,
                str(number),
                key=f"key-{number % KEYS}",
                tier="fast" if number % 7 else "deep",
            )
            for number in range(1200)
        ]
    )
    store = setting.store()
    yield store
    await store.close()


@pytest.mark.parametrize(
    ("where", "meets"),
    [
        ({}, lambda number: True),
        ({"tier": ("fast",)}, lambda number: number % 7),
        ({"tier": ("deep",)}, lambda number: not number % 7),
        ({"key": ("key-3", "key-4")}, lambda number: number % KEYS in {3, 4}),
        ({"key": tuple(f"key-{number}" for number in range(150))}, lambda number: number % KEYS < 150),
        ({"key": ("key-7",), "tier": ("deep",)}, lambda number: number % KEYS == 7 and not number % 7),
    ],
    ids=["all", "many", "some", "rare", "half of the keys", "rare of two"],
)
async def test_pages_have_every_request_that_meets_the_conditions_once(store, where, meets):
    found, cursor = [], None
    while True:
        page = await store.page(HistoryFilter(where=where), limit=37, before=cursor)
        found += [int(row.id) for row in page.rows]
        cursor = page.cursor
        if cursor is None:
            break
    assert found == [number for number in reversed(range(1200)) if meets(number)]
