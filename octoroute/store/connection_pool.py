"""Connections to a database for threads that ask it now and then."""

from __future__ import annotations

import threading
import time
import zlib
from collections.abc import Callable
from typing import TypeVar

import msgspec

from octoroute.store.base import StoreUnavailable
from octoroute.store.database import Connection, Database, StatementError, UnusableStore

MAX_CONNECTIONS = 4
RETRY_S = 1.0
"""Between two attempts to reach a database that is away, which may take seconds each."""

_DAMAGED = (msgspec.MsgspecError, zlib.error, UnicodeDecodeError, TypeError, LookupError)
"""What reading a value raises that is not as it was written."""

_T = TypeVar("_T")


class ConnectionPool:
    """A few connections, opened when they are needed. For any number of threads."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._clock = clock
        self._away: tuple[float, StoreUnavailable] | None = None
        """Until when no connection is tried, because the last one failed, and why."""
        self._free: list[Connection] = []
        self._is_closed = False
        self._limit = threading.BoundedSemaphore(MAX_CONNECTIONS)

    def run(self, question: Callable[[Connection], _T]) -> _T:
        """Ask in the thread of the caller. Raises StoreUnavailable, also for a database that must not be used."""
        with self._limit:
            try:
                connection = self._free.pop() if self._free else self._connect()
                try:
                    answer = question(connection)
                except BaseException:
                    connection.close()
                    raise
            except (UnusableStore, StatementError) as error:
                raise StoreUnavailable(str(error)) from error
            except (*self._database.errors, *_DAMAGED) as error:
                raise StoreUnavailable(f"{self._database.name}: is damaged, something in it cannot be read ({error!r})") from error
            self._free.append(connection)
            if self._is_closed:  # while the question was asked
                self.close()
            return answer

    def _connect(self) -> Connection:
        if self._away is not None and self._clock() < self._away[0]:
            raise self._away[1]
        try:
            return self._database.connect()
        except StoreUnavailable as error:
            self._away = self._clock() + RETRY_S, error
            raise

    def close(self) -> None:
        """A connection that is in use is closed after its question."""
        self._is_closed = True
        while self._free:
            self._free.pop().close()
