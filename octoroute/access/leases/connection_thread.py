"""Leases in a database with one connection, which belongs to one thread: each batch is one transaction in it."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

from octoroute.access.leases.base import BatchResult, LeaseBackendError, LeaseBatch, WindowState

C = TypeVar("C")
_Result = TypeVar("_Result")


class ConnectionThread(ABC, Generic[C]):
    """The connection is opened by the first batch, in the process that sends it."""

    def __init__(self, place: str, errors: tuple[type[Exception], ...]) -> None:
        """`place`: for messages. `errors`: of the driver; a batch that raises one raises LeaseBackendError."""
        self._place = place
        self._errors = errors
        self._thread: ThreadPoolExecutor | None = None
        self._connection: C | None = None

    async def exchange(self, batch: LeaseBatch) -> BatchResult:
        return await self._run(lambda connection: self._exchange(connection, batch))

    async def read(self, windows: Sequence[str]) -> Mapping[str, WindowState]:
        return await self._run(lambda connection: self._read(connection, windows))

    async def close(self) -> None:
        thread, self._thread = self._thread, None
        if thread is not None:
            await asyncio.get_running_loop().run_in_executor(thread, self._disconnect)
            thread.shutdown(wait=False)

    async def _run(self, work: Callable[[C], _Result]) -> _Result:
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, "leases")

        def run() -> _Result:
            connection = self._connection
            if connection is None:
                connection = self._connection = self._open()
            return work(connection)

        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, run)
        except self._errors as error:
            raise LeaseBackendError(f"{self._place}: {error}") from None

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            self._close(connection)

    @abstractmethod
    def _open(self) -> C: ...

    @abstractmethod
    def _close(self, connection: C) -> None: ...

    @abstractmethod
    def _exchange(self, connection: C, batch: LeaseBatch) -> BatchResult: ...

    @abstractmethod
    def _read(self, connection: C, windows: Sequence[str]) -> Mapping[str, WindowState]: ...
