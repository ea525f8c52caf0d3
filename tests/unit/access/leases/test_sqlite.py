"""Leases in a SQLite file; tests/contract/test_leases.py holds what every backend does."""

import pytest

from octoroute.access.leases.base import LeaseBackendError, LeaseBatch
from octoroute.access.leases.sqlite import SqliteLeases
from tests.support.lease_backends import charge


async def test_what_was_spent_survives_the_process(tmp_path):
    for number in range(2):
        leases = SqliteLeases(tmp_path / "l.db", lambda: 5.0)
        await leases.exchange(LeaseBatch(owner=f"o{number}", sequence=1, reservations=[[charge("w", 3, 100)]]))
        await leases.close()
    assert (await leases.read(["w"]))["w"].held == 6
    await leases.close()


async def test_a_file_that_is_no_database_is_a_backend_that_is_down(tmp_path):
    (tmp_path / "l.db").write_text("no database, but long enough to be read as one" * 50)
    leases = SqliteLeases(tmp_path / "l.db", lambda: 5.0)
    with pytest.raises(LeaseBackendError, match="not a database"):
        await leases.exchange(LeaseBatch(owner="o", sequence=1))
    await leases.close()
