"""Databases that fail when a test says so, and writers to them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import ClassVar

from octoroute.store.base import StoreUnavailable
from octoroute.store.durable import DurableHistory
from octoroute.store.spool import Spool
from octoroute.store.sqlite import SqliteDatabase
from octoroute.store.writer_thread import BatchWriter, WriterThread


class FlakyDatabase(SqliteDatabase):
    """SQLite; while `away` is true, it cannot be reached."""

    away = False

    def connect(self):
        if self.away:
            raise StoreUnavailable("away")
        return super().connect()

    def begin(self, connection, *, alone):
        if self.away:
            raise StoreUnavailable("away")
        super().begin(connection, alone=alone)


class Setting:
    """A history in a file of SQLite, and what became of its entries."""

    made: ClassVar[list[Setting]] = []
    """Whose writers may have a connection open."""

    def __init__(self, directory: Path, *, spool_bytes: int | None = 1 << 20, now=lambda: 0.0, kept_since=lambda: (0, 0)) -> None:
        self.database = FlakyDatabase(directory / "history.db", busy_s=0.05)
        self.spool = None if spool_bytes is None else Spool(directory / "spool", max_bytes=spool_bytes)
        self.counts: Counter[str] = Counter()
        self.made.append(self)
        self.batches = BatchWriter(self.database, self.spool, kept_since=kept_since, count=self.count, clock=now)

    def count(self, result: str, by: int) -> None:
        self.counts[result] += by

    def store(self) -> DurableHistory:
        return DurableHistory(self.database, WriterThread(self.batches))
