"""Files that clients upload, and that batches write: in a SQL database, in pieces, each owned by a key."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Sequence
from typing import Any

import msgspec

from octoroute.store.database import Connection, transaction
from octoroute.store.job_pool import JobPool

PIECE_BYTES = 1024 * 1024
PIECE_COLUMN = "file_pieces.data"
UNFINISHED_S = 86400.0
"""After this time, a file that is still not complete is removed: the process that wrote it has gone."""
_COLUMNS = "id, owner, purpose, filename, size, created_at, expires_at"
_THERE = "ready = 1 AND (expires_at IS NULL OR expires_at > ?)"


class StoredFile(msgspec.Struct, frozen=True):
    id: str
    owner: str
    """`KnownKey.owner` of the key that uploaded it; "": no keys are used."""
    purpose: str
    filename: str
    size: int
    """Bytes."""
    created_at: float
    """Seconds since the epoch."""
    expires_at: float | None = None


def piece_row(file: str, number: int) -> str:
    """To which the sealed column is bound."""
    return f"{file}:{number}"


class FileStore:
    """Raises StorageUnavailable."""

    def __init__(self, pool: JobPool) -> None:
        self._pool = pool

    async def begin(self, owner: str, purpose: str, filename: str, now: float) -> StoredFile:
        """A file that is not found before `finish`."""
        made = StoredFile(f"file-{secrets.token_hex(12)}", owner, purpose, filename, 0, now)
        values = msgspec.structs.astuple(made)
        await self._pool.ask(
            lambda connection: connection.execute(f"INSERT INTO files ({_COLUMNS}, ready) VALUES (?, ?, ?, ?, ?, ?, ?, 0)", values)
        )
        return made

    async def append(self, file: StoredFile, number: int, data: bytes) -> None:
        """`number`: of the piece, from 0 on."""
        sealed = self._pool.database.vault.seal(PIECE_COLUMN, piece_row(file.id, number), data)
        await self._pool.ask(
            lambda connection: connection.execute(
                "INSERT INTO file_pieces (file, number, data) VALUES (?, ?, ?)", (file.id, number, sealed)
            )
        )

    async def finish(self, file: StoredFile, size: int, expires_at: float | None = None) -> StoredFile:
        await self._pool.ask(lambda connection: finish_file(connection, file.id, size, expires_at))
        return msgspec.structs.replace(file, size=size, expires_at=expires_at)

    async def get(self, owner: str, id: str, now: float) -> StoredFile | None:
        sql = f"SELECT {_COLUMNS} FROM files WHERE id = ? AND owner = ? AND {_THERE}"
        row = await self._pool.ask(lambda connection: connection.execute(sql, (id, owner, now)).fetchone())
        return None if row is None else _file(row)

    async def page(
        self, owner: str, now: float, *, limit: int, after: StoredFile | None = None, purpose: str = "", ascending: bool = False
    ) -> Sequence[StoredFile]:
        """Up to `limit` files, the newest first unless `ascending`; those after `after`."""
        order, sign = ("ASC", ">") if ascending else ("DESC", "<")
        condition, values = f"owner = ? AND {_THERE}", [owner, now]
        if purpose:
            condition, values = f"{condition} AND purpose = ?", [*values, purpose]
        if after is not None:
            condition, values = f"{condition} AND (created_at, id) {sign} (?, ?)", [*values, after.created_at, after.id]
        sql = f"SELECT {_COLUMNS} FROM files WHERE {condition} ORDER BY created_at {order}, id {order} LIMIT ?"
        rows = await self._pool.ask(lambda connection: connection.execute(sql, (*values, limit)).fetchall())
        return [_file(row) for row in rows]

    async def pieces(self, id: str) -> AsyncIterator[bytes]:
        """The content; each piece is read when it is needed."""
        number = 0
        while True:
            row = await self._pool.ask(
                lambda connection, at=number: connection.execute(
                    "SELECT data FROM file_pieces WHERE file = ? AND number = ?", (id, at)
                ).fetchone()
            )
            if row is None:
                return
            yield await self._pool.ask(
                lambda _, at=number, data=bytes(row[0]): self._pool.database.vault.open(PIECE_COLUMN, piece_row(id, at), data)
            )
            number += 1

    async def used_bytes(self, owner: str) -> int:
        """Of all files of an owner, also of those being written."""
        row = await self._pool.ask(
            lambda connection: connection.execute("SELECT sum(size) FROM files WHERE owner = ?", (owner,)).fetchone()
        )
        return int(row[0] or 0)

    async def delete(self, owner: str, id: str) -> None:
        await self._pool.ask(lambda connection: self._delete(connection, id, owner))

    async def clean(self, now: float, kept_since: float) -> None:
        """Remove files that have expired, were made before `kept_since`, or were never finished."""
        sql = "SELECT id, owner FROM files WHERE expires_at <= ? OR created_at < ? OR (ready = 0 AND created_at < ?)"
        limits = now, kept_since, now - UNFINISHED_S
        for id, owner in await self._pool.ask(lambda connection: connection.execute(sql, limits).fetchall()):
            await self.delete(owner, id)

    def _delete(self, connection: Connection, id: str, owner: str) -> None:
        with transaction(self._pool.database, connection):
            if connection.execute("DELETE FROM files WHERE id = ? AND owner = ?", (id, owner)).rowcount:
                connection.execute("DELETE FROM file_pieces WHERE file = ?", (id,))


def finish_file(connection: Connection, id: str, size: int, expires_at: float | None = None) -> None:
    connection.execute("UPDATE files SET ready = 1, size = ?, expires_at = ? WHERE id = ?", (size, expires_at, id))


def _file(row: Sequence[Any]) -> StoredFile:
    id, owner, purpose, filename, size, created_at, expires_at = row
    return StoredFile(id, owner, purpose, filename, int(size), created_at, expires_at)
