"""PostgreSQL without a server: it is away, and no message has the password. tests/contract has the rest."""

from __future__ import annotations

import pytest

from octoroute.domain.endpoint import Secret
from octoroute.store.base import StoreUnavailable
from octoroute.store.postgresql import PostgresqlDatabase


@pytest.mark.parametrize(
    "url",
    ["postgresql://me:hunter2@127.0.0.1:1/db", "postgresql://me:hunter2@h/db?nonsense=1"],
)
def test_a_server_that_cannot_be_reached_is_away(url):
    database = PostgresqlDatabase(Secret(url))
    with pytest.raises(StoreUnavailable) as error:
        database.connect()
    assert "hunter2" not in str(error.value) + database.name
