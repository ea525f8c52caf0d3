"""The key store in PostgreSQL: a table of keys, and a number that counts its changes."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from octoroute.access.key_store import Edit, KeyStore, KeyStoreError, StoredKey, in_order
from octoroute.access.postgresql_connection import connector

if TYPE_CHECKING:
    import psycopg

STATEMENT_TIMEOUT_MS = 2000
LOCK = 0x6F63746B
"""The advisory lock of every change: "octk"."""

_SCHEMA = f"""
BEGIN;
SELECT pg_advisory_xact_lock({LOCK});
CREATE SCHEMA IF NOT EXISTS octoroute;
CREATE TABLE IF NOT EXISTS octoroute.api_key (id text PRIMARY KEY, data bytea NOT NULL);
CREATE TABLE IF NOT EXISTS octoroute.api_key_version (id int PRIMARY KEY CHECK (id = 0), changes bigint NOT NULL);
INSERT INTO octoroute.api_key_version VALUES (0, 0) ON CONFLICT DO NOTHING;
COMMIT;
"""  # noqa: S608 - a constant

_Result = TypeVar("_Result")


class PostgresqlKeyStore(KeyStore):
    name = "postgresql"

    def __init__(self, url: str) -> None:
        """Connects when it is asked. Raises ConfigError if the extra is not installed."""
        self._error, self._open = connector(url, setting="store.url", statement_timeout_ms=STATEMENT_TIMEOUT_MS, schema=_SCHEMA)
        self._connection: psycopg.Connection[Any] | None = None

    def version(self) -> object:
        return self._ask(lambda connection: connection.execute(b"SELECT changes FROM octoroute.api_key_version").fetchone())

    def all_keys(self) -> Sequence[StoredKey]:
        return self._ask(_keys)

    def change(self, edit: Edit) -> None:
        def apply(connection: psycopg.Connection[Any]) -> None:
            with connection.transaction():
                connection.execute(f"SELECT pg_advisory_xact_lock({LOCK})".encode())
                for key in edit(_keys(connection)):
                    connection.execute(
                        b"INSERT INTO octoroute.api_key VALUES (%s, %s) ON CONFLICT (id) DO UPDATE SET data = excluded.data",
                        (key.id, msgspec.json.encode(key)),
                    )
                connection.execute(b"UPDATE octoroute.api_key_version SET changes = changes + 1")

        self._ask(apply)

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(self._error):
                connection.close()

    def _ask(self, question: Callable[[psycopg.Connection[Any]], _Result]) -> _Result:
        try:
            if self._connection is None:
                self._connection = self._open()
            return question(self._connection)
        except (self._error, OSError, msgspec.DecodeError) as error:
            self.close()  # the next question starts afresh
            raise KeyStoreError(f"the key store in PostgreSQL cannot be used: {type(error).__name__}: {error}") from None


def _keys(connection: psycopg.Connection[Any]) -> list[StoredKey]:
    return in_order(data for (data,) in connection.execute(b"SELECT data FROM octoroute.api_key").fetchall())
