"""A key store that cannot be reached; what it does else is in tests/contract/test_key_stores.py."""

import pytest

from octoroute.access.key_store import KeyStoreError
from octoroute.access.postgresql_keys import PostgresqlKeyStore


def test_a_server_that_is_away_is_an_error_without_the_password():
    pytest.importorskip("psycopg")
    store = PostgresqlKeyStore("postgresql://tester:secret@127.0.0.1:1/postgres")
    for ask in (store.version, store.all_keys, lambda: store.revoke("team", 1.0)):
        with pytest.raises(KeyStoreError, match="cannot be used") as raised:
            ask()
        assert "secret" not in str(raised.value)
    store.close()
