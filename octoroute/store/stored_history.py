"""The history in a database for programs that add nothing to it, and for the questions of those that do."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Sequence

from octoroute.domain.erasure import Erasure
from octoroute.store.base import SEQ_BITS, Aggregate, Dimension, HistoryEntry, HistoryFilter, HistoryPage, seq_at
from octoroute.store.connection_pool import ConnectionPool
from octoroute.store.database import Connection, Database, can_be_stored
from octoroute.store.erasure import forget_key, forget_owners, forget_user
from octoroute.store.spool import Spool
from octoroute.store.sql_reader import SqlReader
from octoroute.store.sql_writer import SqlWriter


class StoredHistory:
    """The questions of a `HistoryStore`, answered in threads."""

    def __init__(self, database: Database, wall: Callable[[], float] = time.time) -> None:
        self._database = database
        self._wall = wall
        self._reader = SqlReader(database)
        self._pool = ConnectionPool(database)

    async def get(self, id: str) -> HistoryEntry | None:
        return await asyncio.to_thread(self._pool.run, lambda connection: self._reader.get(connection, id))

    async def page(self, wanted: HistoryFilter, *, limit: int, before: int | None = None) -> HistoryPage:
        return await asyncio.to_thread(self._pool.run, lambda connection: self._reader.page(connection, wanted, limit, before))

    async def records(self, wanted: HistoryFilter, *, limit: int) -> Sequence[HistoryEntry]:
        return await asyncio.to_thread(self._pool.run, lambda connection: self._reader.records(connection, wanted, limit))

    async def aggregate(
        self, wanted: HistoryFilter, *, by: Sequence[Dimension] = (), bucket_s: int | None = None
    ) -> Sequence[Aggregate]:
        return await asyncio.to_thread(self._pool.run, lambda connection: self._reader.aggregate(connection, wanted, by, bucket_s))

    async def forget(self, key: str) -> Erasure:
        return await self._forget(forget_key, key)

    async def forget_user(self, user: str) -> Erasure:
        return await self._forget(forget_user, user)

    async def _forget(self, forget: Callable[[Database, Connection, str, int], Erasure], name: str) -> Erasure:
        if not can_be_stored(name):
            return Erasure()
        until = seq_at(self._wall()) + (1 << SEQ_BITS)
        return await asyncio.to_thread(self._pool.run, lambda connection: forget(self._database, connection, name, until))

    async def forget_stored(self, owners: Collection[str]) -> int:
        """Delete the responses that clients with keys of these owners have stored; how many there were."""
        return await asyncio.to_thread(self._pool.run, lambda connection: forget_owners(self._database, connection, owners))

    async def take_in(self, spool: Spool) -> None:
        """Write what processes that are gone have left in a spool."""

        def write(connection: Connection) -> None:
            rows = SqlWriter(self._database)
            for entries in spool.batches():
                rows.write(connection, entries)

        await asyncio.to_thread(self._pool.run, write)

    def close(self) -> None:
        self._pool.close()
