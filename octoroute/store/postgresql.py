"""PostgreSQL, by the driver of the extra `octoroute[postgres]`: tables in a schema of their own, partitioned by day."""

from __future__ import annotations

import contextlib
import importlib.util
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from octoroute.domain.endpoint import Secret
from octoroute.store import schema
from octoroute.store.base import StoreUnavailable
from octoroute.store.database import (
    Connection,
    Cursor,
    StatementError,
    check_version,
    day_of_suffix,
    first_seq,
    suffix,
    transaction,
)
from octoroute.store.vault import NO_VAULT, Vault

if TYPE_CHECKING:
    import psycopg

SCHEMA = "octoroute"
CONNECT_S = 3
STATEMENT_MS = 10_000
_TYPES: Mapping[str, str] = {
    **dict.fromkeys(("id", "attempt_list"), "text"),
    **dict.fromkeys(("record", "request", "response", "total", "first_event"), "bytea"),
}
"""Of the columns that are no numbers."""
_MIGRATION_LOCK = 7_041_001
_SUMS_LOCK = 7_041_002
_WRITE_LOCK = 7_041_003
"""Advisory locks: numbers that only octoroute uses."""


def driver_errors() -> tuple[type[Exception], ...]:
    if not has_driver():
        return ()
    import psycopg  # noqa: PLC0415  an extra

    return (psycopg.Error,)


def has_driver() -> bool:
    return importlib.util.find_spec("psycopg") is not None


@lru_cache(maxsize=256)
def _with_driver_placeholders(sql: str) -> str:
    return sql.replace("?", "%s")


class _PostgresqlConnection:
    def __init__(self, url: Secret, name: str) -> None:
        import psycopg  # noqa: PLC0415  an extra

        self._errors = psycopg.Error
        self._away = psycopg.OperationalError, psycopg.InterfaceError
        self._name = name
        try:
            self._connection: psycopg.Connection[Any] = psycopg.connect(
                url.reveal(), autocommit=True, connect_timeout=CONNECT_S, application_name="octoroute"
            )
        except (psycopg.Error, ValueError) as error:
            raise StoreUnavailable(f"{name}: {_first_line(error, url)}") from None

    def execute(self, sql: str, parameters: Sequence[object] = (), /) -> Cursor:
        try:
            found = self._connection.execute(cast("Any", _with_driver_placeholders(sql)), parameters or None)
        except self._away as error:
            raise StoreUnavailable(f"{self._name}: {_first_line(error)}") from error
        except self._errors as error:
            raise StatementError(f"{self._name}: {_first_line(error)}") from error
        return cast("Cursor", found)

    def close(self) -> None:
        with contextlib.suppress(self._errors):
            self._connection.close()


class PostgresqlDatabase:
    """A `Database`."""

    def __init__(self, url: Secret, *, vault: Vault = NO_VAULT) -> None:
        self._url = url
        self.vault = vault
        self.errors: tuple[type[Exception], ...] = driver_errors()
        parts = urlsplit(url.reveal())
        self.name = f"postgresql://{parts.hostname or 'localhost'}{parts.path}"

    def connect(self) -> Connection:
        connection = _PostgresqlConnection(self._url, self.name)
        try:
            self._prepare(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _prepare(self, connection: Connection) -> None:
        connection.execute(f"SET search_path TO {SCHEMA}")
        connection.execute("SET jit TO off")
        connection.execute(f"SET statement_timeout TO {STATEMENT_MS}")
        if self._version(connection) == len(schema.POSTGRESQL):
            return
        with transaction(self, connection):
            connection.execute(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})")
            connection.execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
            version = self._version(connection)  # another process may have been faster
            for statements in schema.POSTGRESQL[version:]:
                for statement in statements:
                    connection.execute(statement)
            connection.execute(
                "INSERT INTO meta (name, value) VALUES ('version', ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                (len(schema.POSTGRESQL),),
            )

    def _version(self, connection: Connection) -> int:
        """0: there are no tables yet."""
        if connection.execute(f"SELECT to_regclass('{SCHEMA}.meta')").fetchone()[0] is None:
            return 0
        (version,) = connection.execute("SELECT value FROM meta WHERE name = 'version'").fetchone()
        return check_version(self.name, version, len(schema.POSTGRESQL))

    def begin(self, connection: Connection, *, alone: bool) -> None:
        lock = "pg_advisory_xact_lock" if alone else "pg_advisory_xact_lock_shared"
        connection.execute(f"BEGIN; SELECT {lock}({_WRITE_LOCK})")

    def lock_sums(self, connection: Connection) -> None:
        connection.execute(f"SELECT pg_advisory_xact_lock({_SUMS_LOCK})")

    def days(self, connection: Connection) -> list[int]:
        rows = connection.execute(
            "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid "
            f"WHERE i.inhparent = '{SCHEMA}.requests'::regclass"
        ).fetchall()
        return sorted(day_of_suffix(row[0].removeprefix("requests_")) for row in rows)

    def create_day(self, connection: Connection, day: int) -> None:
        if day in self.days(connection):
            return
        self.lock_sums(connection)
        name, start, end = suffix(day), first_seq(day), first_seq(day + 1)
        for table in ("requests", "records", "bodies"):
            connection.execute(
                f"CREATE TABLE IF NOT EXISTS {table}_{name} PARTITION OF {table} FOR VALUES FROM ({start}) TO ({end})"
            )

    def drop_day(self, connection: Connection, day: int) -> None:
        name = suffix(day)
        with transaction(self, connection):
            self.lock_sums(connection)
            for table in ("bodies", "records", "requests"):
                connection.execute(f"DROP TABLE IF EXISTS {table}_{name}")
            connection.execute("DELETE FROM label_days WHERE day = ?", (day,))
            connection.execute("UPDATE meta SET value = value + 1 WHERE name = 'generation'")

    def empty_bodies(self, connection: Connection, day: int) -> None:
        connection.execute(f"TRUNCATE bodies_{suffix(day)}")

    def insert(
        self, connection: Connection, table: str, names: Sequence[str], columns: Sequence[Sequence[object]], conflict: str
    ) -> int:
        """As one array a column: the statement is the same for any number of rows."""
        if not columns:
            return 0
        arrays = ", ".join(f"?::{_TYPES.get(name, 'bigint')}[]" for name in names)
        sql = f"INSERT INTO {table} ({', '.join(names)}) SELECT * FROM unnest({arrays}) {conflict}"
        return connection.execute(sql, [list(column) for column in columns]).rowcount

    def newest(self, connection: Connection, table: str, labels: Sequence[int], low: int, high: int, limit: int) -> list[int]:
        one = f"SELECT seq FROM {table} WHERE labels = l.labels AND seq >= ? AND seq < ? ORDER BY seq DESC LIMIT ?"
        sql = f"SELECT n.seq FROM unnest(?::integer[]) AS l (labels) CROSS JOIN LATERAL ({one}) AS n ORDER BY n.seq DESC LIMIT ?"
        return [row[0] for row in connection.execute(sql, (list(labels), low, high, limit, limit)).fetchall()]

    def id_begins_with(self, prefix: str) -> tuple[str, tuple[str, str]]:
        """Without the index, whose order is that of the database's language."""
        return "substr(id, 1, length(?)) = ? AND ", (prefix, prefix)

    def erase(self, connection: Connection) -> None:
        """The server's own vacuum does it."""


def _first_line(error: Exception, secret: Secret | None = None) -> str:
    text = str(error).strip().partition("\n")[0] or type(error).__name__
    return text if secret is None else text.replace(secret.reveal(), "***")
