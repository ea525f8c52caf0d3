"""One thread has the connection, and a driver's error is one of the backend."""

from __future__ import annotations

import threading

import pytest

from octoroute.access.leases.base import LeaseBackendError
from octoroute.access.leases.connection_thread import ConnectionThread


class Driver(ConnectionThread[list]):
    def __init__(self) -> None:
        super().__init__("here", (OSError,))
        self.opened = 0
        self.threads: set[int] = set()

    def _open(self):
        self.opened += 1
        return []

    def _close(self, connection):
        connection.append("closed")
        self.last = connection

    def _exchange(self, connection, batch):
        raise OSError("gone")

    def _read(self, connection, windows):
        self.threads.add(threading.get_ident())
        return {}


async def test_one_thread_and_one_connection_until_it_is_closed():
    driver = Driver()
    for _ in range(3):
        assert await driver.read([]) == {}
    with pytest.raises(LeaseBackendError, match="here: gone"):
        await driver.exchange(None)  # type: ignore[arg-type]
    assert (driver.opened, len(driver.threads)) == (1, 1)
    assert driver.threads != {threading.get_ident()}
    await driver.close()
    assert driver.last == ["closed"]
    await driver.close()
    await driver.read([])
    assert driver.opened == 2
    await driver.close()
