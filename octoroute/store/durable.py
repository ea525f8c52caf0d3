"""The history in a SQL database: reads in threads, each after what was appended before it is written."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TypeVar

from octoroute.store.base import Aggregate, Dimension, HistoryEntry, HistoryFilter, HistoryPage
from octoroute.store.connection_pool import ConnectionPool
from octoroute.store.database import Connection, Database
from octoroute.store.memory import MemoryHistory
from octoroute.store.sql_reader import SqlReader
from octoroute.store.writer_thread import WriterThread

_T = TypeVar("_T")


class DurableHistory:
    """A `HistoryStore`."""

    def __init__(self, database: Database, writer: WriterThread) -> None:
        self._database = database
        self._writer = writer
        self._reader = SqlReader(database)
        self._pool = ConnectionPool(database)
        self.append = writer.append

    async def get(self, id: str) -> HistoryEntry | None:
        memory = await self._written()
        return await memory.get(id) if memory else await self._ask(lambda connection: self._reader.get(connection, id))

    async def page(self, wanted: HistoryFilter, *, limit: int, before: int | None = None) -> HistoryPage:
        memory = await self._written()
        if memory:
            return await memory.page(wanted, limit=limit, before=before)
        return await self._ask(lambda connection: self._reader.page(connection, wanted, limit, before))

    async def aggregate(
        self, wanted: HistoryFilter, *, by: Sequence[Dimension] = (), bucket_s: int | None = None
    ) -> Sequence[Aggregate]:
        memory = await self._written()
        if memory:
            return await memory.aggregate(wanted, by=by, bucket_s=bucket_s)
        return await self._ask(lambda connection: self._reader.aggregate(connection, wanted, by, bucket_s))

    async def forget(self, key: str) -> int:
        memory = await self._written()
        return await memory.forget(key) if memory else await self._ask(lambda connection: self._reader.forget(connection, key))

    async def close(self) -> None:
        await asyncio.to_thread(self._writer.stop)
        self._pool.close()

    async def _written(self) -> MemoryHistory | None:
        """Wait until what was appended is written; the history in memory if there is no other."""
        await asyncio.to_thread(self._writer.flush)
        return self._writer.memory

    async def _ask(self, question: Callable[[Connection], _T]) -> _T:
        return await asyncio.to_thread(self._pool.run, question)
