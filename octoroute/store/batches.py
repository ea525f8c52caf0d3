"""Batches and the results of their lines, in a SQL database. A lease says which of several processes works on a batch.

A result is written once for a line, and only by the process that holds the lease. It is there before the line counts as answered.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from octoroute.domain.principal import Principal
from octoroute.store.database import Connection, transaction
from octoroute.store.files import StoredFile, finish_file
from octoroute.store.job_pool import JobPool

RESULT_COLUMN = "batch_results.result"
OPEN = ("validating", "in_progress", "finalizing", "cancelling")
"""The statuses of a batch that is not over."""
CANCELLABLE = ("validating", "in_progress")
_OPEN = ", ".join(f"'{status}'" for status in OPEN)
_CANCELLABLE = ", ".join(f"'{status}'" for status in CANCELLABLE)
_COLUMNS = "id, owner, status, created_at, job, progress, cancelling_at"


class BatchJob(msgspec.Struct, frozen=True, kw_only=True):
    """What the client asked for; never changed."""

    endpoint: str
    """The path of the route for each line."""
    input_file: str
    window: str
    """`completion_window` as the client wrote it."""
    expires_at: float
    """Seconds since the epoch, as all times."""
    metadata: Mapping[str, str] | None = None
    principal: Principal | None = None
    """The client; None: no keys are used."""
    issuer: str = ""
    """`KnownKey.granted_by` of the client's token; "": it has a key."""


class LineError(msgspec.Struct, frozen=True, kw_only=True):
    """Why a file is no valid input."""

    code: str
    message: str
    line: int | None = None
    param: str | None = None


class BatchProgress(msgspec.Struct, frozen=True, kw_only=True):
    """What the working process has found out."""

    total: int = 0
    completed: int = 0
    failed: int = 0
    """The results of a batch that is over; until then they are counted."""
    ends_as: str = "completed"
    """The status after `finalizing`."""
    errors: tuple[LineError, ...] = ()
    output_file: str | None = None
    error_file: str | None = None
    times: Mapping[str, float] = {}
    """`in_progress_at` and so on: when the batch got into that status."""


class StoredBatch(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    owner: str
    status: str
    created_at: float
    job: BatchJob
    progress: BatchProgress
    cancelling_at: float | None = None


class LeaseLost(Exception):
    """Another process works on the batch, or a client has cancelled it meanwhile."""


_JOB = msgspec.json.Decoder(BatchJob)
_PROGRESS = msgspec.json.Decoder(BatchProgress)


def result_row(batch: str, line: int) -> str:
    """To which the sealed column is bound."""
    return f"{batch}:{line}"


class BatchStore:
    """Raises StorageUnavailable."""

    def __init__(self, pool: JobPool) -> None:
        self._pool = pool

    async def add(self, owner: str, job: BatchJob, now: float) -> StoredBatch:
        made = StoredBatch(
            id=f"batch_{secrets.token_hex(12)}", owner=owner, status="validating", created_at=now, job=job, progress=BatchProgress()
        )
        values = made.id, owner, made.status, now, msgspec.json.encode(job), msgspec.json.encode(made.progress)
        sql = (
            "INSERT INTO batches (id, owner, status, created_at, job, progress, lease_owner, lease_until) "
            "VALUES (?, ?, ?, ?, ?, ?, '', 0)"
        )
        await self._pool.ask(lambda connection: connection.execute(sql, values))
        return made

    async def get(self, owner: str, id: str) -> StoredBatch | None:
        """With the results counted."""
        found = await self._select("id = ? AND owner = ?", (id, owner), 1)
        return found[0] if found else None

    async def page(self, owner: str, *, limit: int, after: StoredBatch | None = None) -> Sequence[StoredBatch]:
        """The newest first, those older than `after`."""
        if after is None:
            return await self._select("owner = ?", (owner,), limit)
        return await self._select("owner = ? AND (created_at, id) < (?, ?)", (owner, after.created_at, after.id), limit)

    async def uses(self, file: str, owner: str) -> str | None:
        """The id of an unfinished batch that reads the file."""
        found = await self._select(f"owner = ? AND status IN ({_OPEN})", (owner,), 1000)
        return next((batch.id for batch in found if batch.job.input_file == file), None)

    async def cancel(self, owner: str, id: str, now: float) -> bool:
        """Whether it could still be cancelled."""
        sql = (
            f"UPDATE batches SET status = 'cancelling', cancelling_at = ? WHERE id = ? AND owner = ? AND status IN ({_CANCELLABLE})"
        )
        return await self._pool.ask(lambda connection: connection.execute(sql, (now, id, owner)).rowcount) == 1

    async def claim(self, worker: str, now: float, lease_s: float, limit: int) -> Sequence[StoredBatch]:
        """Take the lease of batches that are not over and that no other process works on, the oldest first."""
        return await self._pool.ask(lambda connection: self._claim(connection, worker, now, lease_s, limit))

    def _claim(self, connection: Connection, worker: str, now: float, lease_s: float, limit: int) -> Sequence[StoredBatch]:
        free = f"status IN ({_OPEN}) AND lease_until <= ?"
        found = connection.execute(
            f"SELECT {_COLUMNS} FROM batches WHERE {free} ORDER BY created_at LIMIT ?", (now, limit)
        ).fetchall()
        update = f"UPDATE batches SET lease_owner = ?, lease_until = ? WHERE id = ? AND {free}"
        return [_batch(row) for row in found if connection.execute(update, (worker, now + lease_s, row[0], now)).rowcount]

    async def renew(self, batch: str, worker: str, until: float) -> str | None:
        """The batch's status; None: the lease is another process's, or the batch is gone."""
        return await self._pool.ask(lambda connection: self._renew(connection, batch, worker, until))

    def _renew(self, connection: Connection, batch: str, worker: str, until: float) -> str | None:
        mine = "id = ? AND lease_owner = ?"
        if not connection.execute(f"UPDATE batches SET lease_until = ? WHERE {mine}", (until, batch, worker)).rowcount:
            return None
        row = connection.execute("SELECT status FROM batches WHERE id = ?", (batch,)).fetchone()
        return None if row is None else row[0]

    async def update(self, batch: StoredBatch, worker: str, status: str, progress: BatchProgress) -> StoredBatch:
        """Raises LeaseLost."""
        await self._pool.ask(lambda connection: self._update(connection, batch, worker, status, progress))
        return msgspec.structs.replace(batch, status=status, progress=progress)

    def _update(self, connection: Connection, batch: StoredBatch, worker: str, status: str, progress: BatchProgress) -> None:
        sql = "UPDATE batches SET status = ?, progress = ? WHERE id = ? AND lease_owner = ? AND status = ?"
        values = status, msgspec.json.encode(progress), batch.id, worker, batch.status
        if not connection.execute(sql, values).rowcount:
            raise LeaseLost

    async def finish(
        self, batch: StoredBatch, worker: str, status: str, progress: BatchProgress, files: Mapping[StoredFile, int]
    ) -> None:
        """The batch is over, its files (with their sizes) are there, and its results are in them. Raises LeaseLost."""

        def write(connection: Connection) -> None:
            with transaction(self._pool.database, connection):
                self._update(connection, batch, worker, status, progress)
                for file, size in files.items():
                    finish_file(connection, file.id, size)
                connection.execute("DELETE FROM batch_results WHERE batch = ?", (batch.id,))

        await self._pool.ask(write)

    async def record(self, batch: str, worker: str, line: int, result: bytes, *, failed: bool) -> None:
        """The first result of a line stays. Raises LeaseLost."""
        sealed = self._pool.database.vault.seal(RESULT_COLUMN, result_row(batch, line), result)

        def write(connection: Connection) -> None:
            with transaction(self._pool.database, connection):
                mine = connection.execute(
                    "UPDATE batches SET lease_owner = ? WHERE id = ? AND lease_owner = ?", (worker, batch, worker)
                )
                if not mine.rowcount:
                    raise LeaseLost
                connection.execute(
                    "INSERT INTO batch_results (batch, line, failed, result) VALUES (?, ?, ?, ?) "
                    "ON CONFLICT (batch, line) DO NOTHING",
                    (batch, line, int(failed), sealed),
                )

        await self._pool.ask(write)

    async def answered(self, batch: str) -> set[int]:
        """The lines that have a result."""
        rows = await self._pool.ask(
            lambda connection: connection.execute("SELECT line FROM batch_results WHERE batch = ?", (batch,)).fetchall()
        )
        return {row[0] for row in rows}

    async def results(self, batch: str, *, failed: bool, after: int, limit: int) -> Sequence[tuple[int, bytes]]:
        """(line, result) in order of lines, from the one after `after` on."""
        sql = "SELECT line, result FROM batch_results WHERE batch = ? AND failed = ? AND line > ? ORDER BY line LIMIT ?"
        vault = self._pool.database.vault
        return await self._pool.ask(
            lambda connection: [
                (line, vault.open(RESULT_COLUMN, result_row(batch, line), bytes(data)))
                for line, data in connection.execute(sql, (batch, int(failed), after, limit)).fetchall()
            ]
        )

    async def clean(self, kept_since: float) -> None:
        """Remove batches that are over and were made before `kept_since`."""
        sql = f"DELETE FROM batches WHERE created_at < ? AND status NOT IN ({_OPEN})"
        await self._pool.ask(lambda connection: connection.execute(sql, (kept_since,)))

    async def _select(self, condition: str, values: Sequence[object], limit: int) -> list[StoredBatch]:
        sql = f"SELECT {_COLUMNS} FROM batches WHERE {condition} ORDER BY created_at DESC, id DESC LIMIT ?"
        return await self._pool.ask(
            lambda connection: [_counted(connection, _batch(row)) for row in connection.execute(sql, (*values, limit)).fetchall()]
        )


def _counted(connection: Connection, batch: StoredBatch) -> StoredBatch:
    if batch.status not in OPEN:
        return batch
    counts: dict[int, int] = dict(
        connection.execute("SELECT failed, count(*) FROM batch_results WHERE batch = ? GROUP BY failed", (batch.id,)).fetchall()
    )
    progress = msgspec.structs.replace(batch.progress, completed=counts.get(0, 0), failed=counts.get(1, 0))
    return msgspec.structs.replace(batch, progress=progress)


def _batch(row: Sequence[Any]) -> StoredBatch:
    id, owner, status, created_at, job, progress, cancelling_at = row
    return StoredBatch(
        id=id,
        owner=owner,
        status=status,
        created_at=created_at,
        job=_JOB.decode(bytes(job)),
        progress=_PROGRESS.decode(bytes(progress)),
        cancelling_at=cancelling_at,
    )
