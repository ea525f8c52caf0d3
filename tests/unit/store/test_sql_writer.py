"""Rows are written at least once, and count once."""

from __future__ import annotations

from octoroute.store.base import HistoryFilter
from tests.support.databases import Setting
from tests.support.history import START_S, entry


async def totals(setting) -> tuple[list[str], int]:
    store = Setting(setting.database.file.parent).store()
    rows = (await store.page(HistoryFilter(), limit=99)).rows
    (sums,) = await store.aggregate(HistoryFilter())
    await store.close()
    return sorted(row.id for row in rows), sums.requests


async def test_a_batch_that_is_written_again_changes_nothing(tmp_path):
    setting = Setting(tmp_path)
    batch = [entry(START_S + number, str(number)) for number in range(3)]
    setting.batches.write(batch)
    setting.batches.write([*batch, entry(START_S + 9, "9")])
    assert await totals(setting) == (["0", "1", "2", "9"], 4)


async def test_two_requests_of_two_processes_with_one_number_are_both_kept(tmp_path):
    setting = Setting(tmp_path)
    setting.batches.write([entry(START_S, "a")])
    setting.batches.write([entry(START_S, "b"), entry(START_S, "c")])
    setting.batches.write([entry(START_S, "b"), entry(START_S, "c")])
    assert await totals(setting) == (["a", "b", "c"], 3)


async def test_a_writer_notices_that_another_process_has_deleted_labels(tmp_path):
    setting = Setting(tmp_path)
    setting.batches.write([entry(START_S, "a", key="one")])
    other = Setting(tmp_path).store()
    assert (await other.forget("one")).requests == 1
    setting.batches.write([entry(START_S + 1, "b", key="one")])
    assert [row.id for row in (await other.page(HistoryFilter(where={"key": ("one",)}), limit=9)).rows] == ["b"]
    await other.close()


async def test_a_deleted_key_is_in_no_file(tmp_path):
    setting = Setting(tmp_path)
    setting.batches.write([entry(START_S, "a", key="jane.doe@example.org"), entry(START_S, "b", key="other", nonce=1)])
    store = Setting(tmp_path).store()
    assert (await store.forget("jane.doe@example.org")).requests == 1
    await store.close()
    setting.batches.close()
    assert all(b"jane.doe" not in path.read_bytes() for path in tmp_path.iterdir() if path.is_file())
