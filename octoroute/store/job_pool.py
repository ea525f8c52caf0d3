"""Questions about files and batches to a SQL database, in threads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from octoroute.errors import StorageUnavailable
from octoroute.store.base import StoreUnavailable
from octoroute.store.connection_pool import ConnectionPool
from octoroute.store.database import Connection, Database
from octoroute.store.vault import UnopenedValue

_T = TypeVar("_T")


class JobPool:
    def __init__(self, database: Database) -> None:
        self.database = database
        self._pool = ConnectionPool(database)

    async def ask(self, question: Callable[[Connection], _T]) -> _T:
        """Raises StorageUnavailable."""
        try:
            return await asyncio.to_thread(self._pool.run, question)
        except UnopenedValue as error:
            raise StorageUnavailable("the file is encrypted with a key that this gateway does not have") from error
        except StoreUnavailable as error:
            raise StorageUnavailable("files and batches cannot be read or written now; try again") from error

    def close(self) -> None:
        self._pool.close()
