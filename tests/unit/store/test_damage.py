"""Files of SQLite with changed bytes, or cut off: nothing raises, the log has it once, every entry is somewhere, and what is
damaged stays as it is.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from random import Random

import pytest
from structlog.testing import capture_logs

from octoroute.store.base import Body, HistoryFilter, StoreUnavailable
from octoroute.store.sqlite import SqliteDatabase
from octoroute.store.stored_history import StoredHistory
from octoroute.store.writer_thread import BatchWriter
from tests.support.history import START_S, entry

BODY = Body(request=b'{"user":"jane"}' * 30, response=b"answer" * 50)
NEW = 6


def writer(file: Path, counts: Counter[str]) -> BatchWriter:
    return BatchWriter(
        SqliteDatabase(file, busy_s=0.05), None, kept_since=lambda: (0, 0), count=lambda result, by: counts.update({result: by})
    )


@pytest.fixture(scope="module")
def sound(tmp_path_factory) -> bytes:
    file = tmp_path_factory.mktemp("sound") / "history.db"
    batches = writer(file, Counter())
    for number in range(4):
        batches.write([entry(START_S + number * 100 + n, f"r{n}", key=f"k{n % 7}", record=b"x" * 50, body=BODY) for n in range(40)])
    batches.close()
    return file.read_bytes()


def damaged(sound: bytes, seed: int) -> bytes:
    """Cut off; or with changed bytes, few or many, of the header and the schema or anywhere."""
    draw = Random(seed)
    if seed % 4 == 0:
        return sound[: draw.randrange(1, len(sound))]
    found = bytearray(sound)
    for _ in range(draw.choice([1, 8, 300])):
        found[draw.randrange(4096 if seed % 4 == 1 else len(found))] = draw.randrange(256)
    return bytes(found)


@pytest.mark.parametrize("seed", range(32))
def test_a_damaged_file_costs_no_entry(tmp_path, sound, seed):
    file, data, counts = tmp_path / "history.db", damaged(sound, seed), Counter()
    file.write_bytes(data)
    with capture_logs() as logs:
        batches = writer(file, counts)
        for number in range(NEW // 2):
            batches.write([entry(START_S + 9000 + number, f"n{number}", key="new"), entry(START_S + 9500 + number, f"m{number}")])
        waiting = len(batches._held)
        in_memory = 0 if batches.memory is None else len(asyncio.run(batches.memory.page(HistoryFilter(), limit=99)).rows)
        batches.close()
    errors = [line for line in logs if line["log_level"] == "error"]
    assert counts["written"] + in_memory + waiting == NEW
    assert len(errors) == (0 if counts["written"] == NEW else 1), errors
    assert all(str(file) in line["problem"] for line in errors)
    if not counts["written"]:
        assert file.read_bytes() == data
    asyncio.run(questions(file))


async def questions(file: Path) -> None:
    """Each is answered, or fails with a message for operators."""
    history = StoredHistory(SqliteDatabase(file, busy_s=0.05))
    for ask in (
        lambda: history.page(HistoryFilter(), limit=500),
        lambda: history.page(HistoryFilter(where={"key": ("k1",)}, text="jane"), limit=500),
        lambda: history.aggregate(HistoryFilter(), by=("key",), bucket_s=3600),
        lambda: history.get("r1"),
        lambda: history.forget("k2"),
        lambda: history.forget_user("jane"),
    ):
        try:
            await ask()
        except StoreUnavailable as error:
            assert str(file) in str(error)
    history.close()
