"""Stored responses of a database: another process has them, they have a size, and a database that is away costs no answer."""

from __future__ import annotations

from structlog.testing import capture_logs

from octoroute.gateway.response_store import MemoryResponseStore
from octoroute.store import responses
from octoroute.store.responses import DurableResponses
from tests.support.databases import FlakyDatabase
from tests.support.history import turn


def store(tmp_path, max_bytes=1_000_000) -> tuple[DurableResponses, FlakyDatabase]:
    database = FlakyDatabase(tmp_path / "x.db", busy_s=0.05)
    made = DurableResponses(database, MemoryResponseStore(ttl_s=0, max_bytes=0, clock=lambda: 0.0), lambda: 1000.0)
    made.configure(ttl_s=100, max_bytes=max_bytes)
    return made, database


async def test_another_process_has_them(tmp_path):
    one, _ = store(tmp_path)
    await one.put(turn("a", items=("i",)))
    other, _ = store(tmp_path)
    assert await other.find("ann", "i") == turn("a", items=("i",))
    one.close()
    other.close()


async def test_the_owner_of_most_loses_the_oldest(tmp_path, monkeypatch):
    monkeypatch.setattr(responses, "CLEAN_EVERY", 2)
    made, _ = store(tmp_path, max_bytes=20_000)
    await made.put(turn("small", owner="bob", size=1000))
    for number in range(24):
        await made.put(turn(f"{number:02}", size=1000))
    assert await made.get("bob", "small") is not None
    assert await made.get("ann", "00") is None
    assert await made.get("ann", "23") is not None
    made.close()


async def test_while_the_database_is_away_they_are_in_memory_and_it_is_said_once(tmp_path):
    made, database = store(tmp_path)
    database.away = True
    with capture_logs() as logs:
        await made.put(turn("b", items=("i",)))
        assert await made.get("ann", "b") == turn("b", items=("i",))
        assert await made.find("ann", "i") == turn("b", items=("i",))
    assert len(logs) == 1
    made.close()
