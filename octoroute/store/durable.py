"""The history in a SQL database: reads in threads, each after what was appended before it is written."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from octoroute.domain.erasure import Erasure
from octoroute.store.base import Aggregate, Dimension, HistoryEntry, HistoryFilter, HistoryPage
from octoroute.store.database import Database
from octoroute.store.memory import MemoryHistory
from octoroute.store.stored_history import StoredHistory
from octoroute.store.writer_thread import WriterThread


class DurableHistory:
    """A `HistoryStore`."""

    def __init__(self, database: Database, writer: WriterThread) -> None:
        self._writer = writer
        self._written = StoredHistory(database)
        self.append = writer.append

    async def get(self, id: str) -> HistoryEntry | None:
        return await (await self._readable()).get(id)

    async def page(self, wanted: HistoryFilter, *, limit: int, before: int | None = None) -> HistoryPage:
        return await (await self._readable()).page(wanted, limit=limit, before=before)

    async def records(self, wanted: HistoryFilter, *, limit: int) -> Sequence[HistoryEntry]:
        return await (await self._readable()).records(wanted, limit=limit)

    async def aggregate(
        self, wanted: HistoryFilter, *, by: Sequence[Dimension] = (), bucket_s: int | None = None
    ) -> Sequence[Aggregate]:
        return await (await self._readable()).aggregate(wanted, by=by, bucket_s=bucket_s)

    async def forget(self, key: str) -> Erasure:
        return await (await self._readable()).forget(key)

    async def forget_user(self, user: str) -> Erasure:
        return await (await self._readable()).forget_user(user)

    async def close(self) -> None:
        await asyncio.to_thread(self._writer.stop)
        self._written.close()

    async def _readable(self) -> MemoryHistory | StoredHistory:
        """Wait until what was appended is written; the history in memory if there is no other."""
        await asyncio.to_thread(self._writer.flush)
        return self._writer.memory or self._written
