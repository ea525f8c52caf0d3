"""The history in a database, for programs that only read it, and for the reads of those that write it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from octoroute.store.base import Aggregate, Dimension, HistoryEntry, HistoryFilter, HistoryPage
from octoroute.store.connection_pool import ConnectionPool
from octoroute.store.database import Database
from octoroute.store.sql_reader import SqlReader


class ReadOnlyHistory:
    """The questions of a `HistoryStore`, answered in threads."""

    def __init__(self, database: Database) -> None:
        self._reader = SqlReader(database)
        self._pool = ConnectionPool(database)

    async def get(self, id: str) -> HistoryEntry | None:
        return await asyncio.to_thread(self._pool.run, lambda connection: self._reader.get(connection, id))

    async def page(self, wanted: HistoryFilter, *, limit: int, before: int | None = None) -> HistoryPage:
        return await asyncio.to_thread(self._pool.run, lambda connection: self._reader.page(connection, wanted, limit, before))

    async def aggregate(
        self, wanted: HistoryFilter, *, by: Sequence[Dimension] = (), bucket_s: int | None = None
    ) -> Sequence[Aggregate]:
        return await asyncio.to_thread(self._pool.run, lambda connection: self._reader.aggregate(connection, wanted, by, bucket_s))

    async def forget(self, key: str) -> int:
        return await asyncio.to_thread(self._pool.run, lambda connection: self._reader.forget(connection, key))

    def close(self) -> None:
        self._pool.close()
