"""After a rotation the first key alone opens everything, and nothing is lost on the way."""

from __future__ import annotations

import pytest

from octoroute.gateway.response_store import MemoryResponseStore
from octoroute.store import key_rotation
from octoroute.store.base import Body
from octoroute.store.durable import DurableHistory
from octoroute.store.key_rotation import seal_all
from octoroute.store.responses import DurableResponses
from octoroute.store.sqlite import SqliteDatabase
from octoroute.store.vault import NO_VAULT, Vault, id_of
from octoroute.store.writer_thread import BatchWriter, WriterThread
from tests.support.history import START_S, add, entry, turn

pytest.importorskip("cryptography", reason="the extra octoroute[encryption]")
ONE, TWO = b"\x01" * 32, b"\x02" * 32
BODY = Body(request=b"the question", response=b"the answer")


@pytest.fixture
def file(tmp_path):
    return tmp_path / "history.db"


async def fill(file, vault, prefix):
    database = SqliteDatabase(file, vault=vault)
    store = DurableHistory(
        database, WriterThread(BatchWriter(database, None, kept_since=lambda: (0, 0), count=lambda result, by: None))
    )
    add(store, *(entry(START_S + 40_000 * number, f"{prefix}{number}", body=BODY) for number in range(5)))
    await store.close()
    responses = DurableResponses(database, MemoryResponseStore(ttl_s=0, max_bytes=0, clock=lambda: 0.0), lambda: 1000.0)
    responses.configure(ttl_s=100, max_bytes=1 << 20)
    for number in range(5):
        await responses.put(turn(f"{prefix}{number}", owner=f"owner {number % 2}"))
    responses.close()


async def read(file, vault, id):
    database = SqliteDatabase(file, vault=vault)
    store = DurableHistory(
        database, WriterThread(BatchWriter(database, None, kept_since=lambda: (0, 0), count=lambda result, by: None))
    )
    found = await store.get(id)
    await store.close()
    return found.body


async def test_everything_is_sealed_with_the_first_key(file, monkeypatch):
    monkeypatch.setattr(key_rotation, "ROWS_AT_ONCE", 2)
    await fill(file, NO_VAULT, "plain")
    await fill(file, Vault([ONE]), "one")
    await fill(file, Vault([TWO, ONE]), "two")
    assert seal_all(SqliteDatabase(file, vault=Vault([TWO, ONE]))) == (20, {})
    assert seal_all(SqliteDatabase(file, vault=Vault([TWO, ONE]))) == (0, {})
    for id in ("plain0", "one4", "two2"):
        assert await read(file, Vault([TWO]), id) == BODY
    lost = await read(file, Vault([ONE]), "two2")
    assert (lost.request, lost.response) == (b"", b"")
    assert id_of(TWO).hex() in lost.problem


async def test_what_no_key_opens_is_left_and_reported(file):
    await fill(file, Vault([ONE]), "one")
    report = seal_all(SqliteDatabase(file, vault=Vault([TWO])))
    assert report.sealed == 0
    assert sum(report.unopened.values()) == 10
    assert all(id_of(ONE).hex() in reason for reason in report.unopened)
    assert await read(file, Vault([ONE]), "one0") == BODY
