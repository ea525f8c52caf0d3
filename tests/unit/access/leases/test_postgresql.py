"""Leases in PostgreSQL; tests/contract/test_leases.py holds what every backend does."""

import pytest

from octoroute.access.leases.base import LeaseBackendError, LeaseBatch
from octoroute.access.leases.postgresql import PostgresqlLeases


async def test_a_server_that_is_not_there_is_a_backend_that_is_down():
    pytest.importorskip("psycopg")
    leases = PostgresqlLeases("postgresql://nobody@127.0.0.1:9/none")
    with pytest.raises(LeaseBackendError):
        await leases.exchange(LeaseBatch(owner="o", sequence=1))
    await leases.close()
