"""Files and batches are kept alike by every database; a lease lets one process at a time work on a batch."""

from __future__ import annotations

import asyncio

import pytest

from octoroute.domain.endpoint import Secret
from octoroute.domain.principal import Principal, Restrictions
from octoroute.errors import StorageUnavailable
from octoroute.store.batches import BatchJob, BatchProgress, BatchStore, LeaseLost
from octoroute.store.erasure import forget_owners
from octoroute.store.files import UNFINISHED_S, FileStore
from octoroute.store.job_pool import JobPool
from octoroute.store.key_rotation import seal_all
from octoroute.store.postgresql import PostgresqlDatabase
from octoroute.store.sqlite import SqliteDatabase
from octoroute.store.vault import Vault
from tests.support import postgresql

JOB = BatchJob(
    endpoint="/v1/chat/completions",
    input_file="file-1",
    window="24h",
    expires_at=90_000.0,
    metadata={"a": "b"},
    principal=Principal(name="team", restrictions=Restrictions(tiers=frozenset({"fast"}))),
)


@pytest.fixture(scope="module")
def server():
    if postgresql.programs() is None:
        pytest.skip("PostgreSQL is not installed (Debian: postgresql)")
    with postgresql.running() as running:
        yield running


@pytest.fixture(params=["sqlite", "postgresql"])
def pool(request, tmp_path):
    if request.param == "sqlite":
        made = JobPool(SqliteDatabase(tmp_path / "history.db"))
    else:
        server = request.getfixturevalue("server")
        server.empty()
        made = JobPool(PostgresqlDatabase(Secret(server.url)))
    yield made
    made.close()


@pytest.fixture
def files(pool) -> FileStore:
    return FileStore(pool)


@pytest.fixture
def batches(pool) -> BatchStore:
    return BatchStore(pool)


async def made(files, owner="ann", now=1.0, data=(b"one", b"two"), **more):
    file = await files.begin(owner, "batch", "in.jsonl", now)
    for number, piece in enumerate(data):
        await files.append(file, number, piece)
    return await files.finish(file, sum(map(len, data)), **more)


async def content(files, id) -> list[bytes]:
    return [piece async for piece in files.pieces(id)]


async def test_a_file_is_its_owners_and_there_when_it_is_complete(files):
    unfinished = await files.begin("ann", "batch", "x", 1.0)
    assert await files.get("ann", unfinished.id, 2.0) is None
    file = await made(files)
    assert await files.get("ann", file.id, 2.0) == file
    assert await files.get("bob", file.id, 2.0) is None
    assert await content(files, file.id) == [b"one", b"two"]
    assert await files.used_bytes("ann") == 6
    await files.delete("bob", file.id)
    assert await content(files, file.id) == [b"one", b"two"]
    await files.delete("ann", file.id)
    assert await content(files, file.id) == []


async def test_files_are_listed_in_pages(files):
    all_of_them = [await made(files, now=float(at // 2)) for at in range(7)]
    await made(files, owner="bob")
    newest = sorted(all_of_them, key=lambda file: (file.created_at, file.id), reverse=True)
    assert await files.page("ann", 9.0, limit=3) == newest[:3]
    assert await files.page("ann", 9.0, limit=9, after=newest[2]) == newest[3:]
    assert await files.page("ann", 9.0, limit=9, after=newest[2], ascending=True) == newest[:2][::-1]
    assert await files.page("ann", 9.0, limit=9, purpose="batch_output") == []


async def test_files_that_expired_are_old_or_were_never_finished_go(files):
    expired = await made(files, now=UNFINISHED_S, expires_at=UNFINISHED_S + 50.0)
    kept = await made(files, now=UNFINISHED_S)
    old = await made(files, now=5.0)
    begun = await files.begin("ann", "batch", "x", 30.0)
    assert await files.get("ann", expired.id, UNFINISHED_S + 50.0) is None
    await files.clean(UNFINISHED_S + 50.0, kept_since=20.0)
    assert [await content(files, file.id) for file in (expired, old, begun, kept)] == [[], [], [], [b"one", b"two"]]


async def test_one_worker_at_a_time_has_a_batch(batches):
    batch = await batches.add("ann", JOB, 10.0)
    assert await batches.get("ann", batch.id) == batch
    assert await batches.get("bob", batch.id) is None
    claims = await asyncio.gather(*(batches.claim(f"w{at}", 20.0, 30.0, 9) for at in range(6)))
    ((winner, claimed),) = [(f"w{at}", found) for at, found in enumerate(claims) if found]
    assert claimed == [batch]
    assert await batches.renew(batch.id, winner, 60.0) == "validating"
    assert await batches.renew(batch.id, "other", 60.0) is None
    assert await batches.claim("other", 59.0, 30.0, 9) == []
    assert [one.id for one in await batches.claim("other", 61.0, 30.0, 9)] == [batch.id]
    for refused in (
        batches.record(batch.id, winner, 1, b"{}", failed=False),
        batches.update(batch, winner, "in_progress", BatchProgress()),
        batches.finish(batch, winner, "completed", BatchProgress(), {}),
    ):
        with pytest.raises(LeaseLost):
            await refused


async def test_the_first_result_of_a_line_stays(batches):
    batch = await batches.add("ann", JOB, 10.0)
    await batches.claim("w", 20.0, 30.0, 9)
    for line, text, failed in ((2, b"two", False), (1, b"one", False), (3, b"no", True), (2, b"again", False)):
        await batches.record(batch.id, "w", line, text, failed=failed)
    assert await batches.answered(batch.id) == {1, 2, 3}
    assert await batches.results(batch.id, failed=False, after=0, limit=9) == [(1, b"one"), (2, b"two")]
    assert await batches.results(batch.id, failed=False, after=1, limit=9) == [(2, b"two")]
    counted = (await batches.get("ann", batch.id)).progress
    assert (counted.completed, counted.failed) == (2, 1)


async def test_the_end_of_a_batch_is_one_step(files, batches):
    batch = await batches.add("ann", JOB, 10.0)
    await batches.claim("w", 20.0, 30.0, 9)
    await batches.record(batch.id, "w", 1, b"one", failed=False)
    output = await files.begin("ann", "batch_output", "out", 21.0)
    batch = await batches.update(batch, "w", "in_progress", BatchProgress(total=1))
    await batches.finish(batch, "w", "completed", BatchProgress(total=1, completed=1, output_file=output.id), {output: 3})
    ended = await batches.get("ann", batch.id)
    assert (ended.status, ended.progress.completed, ended.progress.output_file) == ("completed", 1, output.id)
    assert (await files.get("ann", output.id, 22.0)).size == 3
    assert await batches.answered(batch.id) == set()
    assert await batches.claim("w", 900.0, 30.0, 9) == []
    assert not await batches.cancel("ann", batch.id, 23.0)
    await batches.clean(kept_since=11.0)
    assert await batches.get("ann", batch.id) is None


async def test_a_cancelled_batch_is_changed_by_no_worker_that_does_not_know(batches):
    batch = await batches.add("ann", JOB, 10.0)
    await batches.claim("w", 20.0, 30.0, 9)
    assert not await batches.cancel("bob", batch.id, 21.0)
    assert await batches.cancel("ann", batch.id, 21.0)
    assert await batches.renew(batch.id, "w", 60.0) == "cancelling"
    with pytest.raises(LeaseLost):
        await batches.update(batch, "w", "in_progress", BatchProgress())
    assert await batches.uses("file-1", "ann") == batch.id
    assert await batches.uses("file-2", "ann") is None


async def test_batches_are_listed_in_pages(batches):
    made = [await batches.add("ann", JOB, float(at // 2)) for at in range(5)]
    newest = sorted(made, key=lambda batch: (batch.created_at, batch.id), reverse=True)
    assert await batches.page("ann", limit=2) == newest[:2]
    assert await batches.page("ann", limit=9, after=newest[1]) == newest[2:]


async def test_what_a_forgotten_key_has_stored_is_deleted(pool, files, batches):
    mine, other = await made(files), await made(files, owner="bob")
    batch = await batches.add("ann", JOB, 10.0)
    await batches.claim("w", 20.0, 30.0, 9)
    await batches.record(batch.id, "w", 1, b"an answer", failed=False)
    await pool.ask(lambda connection: forget_owners(pool.database, connection, ["ann"]))
    assert [await content(files, file.id) for file in (mine, other)] == [[], [b"one", b"two"]]
    assert (await batches.get("ann", batch.id), await batches.answered(batch.id)) == (None, set())


async def test_contents_are_sealed(pool, files, batches):
    pytest.importorskip("cryptography", reason="the extra octoroute[encryption]")
    pool.database.vault = Vault([b"\x01" * 32])
    file = await made(files)
    batch = await batches.add("ann", JOB, 10.0)
    await batches.claim("w", 20.0, 30.0, 9)
    await batches.record(batch.id, "w", 1, b"an answer", failed=False)
    assert await content(files, file.id) == [b"one", b"two"]
    assert await batches.results(batch.id, failed=False, after=0, limit=9) == [(1, b"an answer")]
    pool.database.vault = Vault([b"\x02" * 32, b"\x01" * 32])
    assert seal_all(pool.database).sealed == 3
    pool.database.vault = Vault([b"\x01" * 32])
    with pytest.raises(StorageUnavailable, match="encrypted"):
        await content(files, file.id)
    with pytest.raises(StorageUnavailable, match="encrypted"):
        await batches.results(batch.id, failed=False, after=0, limit=9)
