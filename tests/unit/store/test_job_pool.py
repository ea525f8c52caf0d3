"""A database that is away is an error for clients, which says nothing of its address."""

from __future__ import annotations

import pytest

from octoroute.errors import StorageUnavailable
from octoroute.store.job_pool import JobPool
from tests.support.databases import FlakyDatabase


async def test_a_database_that_is_away(tmp_path):
    database = FlakyDatabase(tmp_path / "secret-place.db")
    pool = JobPool(database)
    database.away = True
    with pytest.raises(StorageUnavailable) as caught:
        await pool.ask(lambda connection: connection.execute("SELECT 1").fetchone())
    assert "secret-place" not in caught.value.message
    pool.close()
