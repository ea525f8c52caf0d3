"""SQLite: one file, in WAL mode, that several processes may write. A file of another program or a newer version is left alone."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Sequence
from functools import lru_cache
from itertools import chain
from pathlib import Path

from octoroute.store import schema
from octoroute.store.base import StoreUnavailable
from octoroute.store.database import (
    Connection,
    Cursor,
    StatementError,
    UnusableStore,
    check_version,
    day_of_suffix,
    placeholders,
    suffix,
    transaction,
)
from octoroute.store.vault import NO_VAULT, Vault

APPLICATION_ID = 0x0C70_7072
"""Marks a file as ours: https://sqlite.org/pragma.html#pragma_application_id"""
BUSY_S = 2.0
"""How long a statement waits for another process's lock."""
_CHUNKS = (512, 128, 32, 8, 4, 2, 1)
"""Rows of one statement: few different statements, so that the driver keeps them prepared."""
_ERASE_ATTEMPTS, _ERASE_PAUSE_S = 20, 0.1
_MAX_SELECTS = 100
"""Of one statement."""
_VIEW_DAYS = 400
"""Days in the view of all requests: SQLite joins at most 500 selects."""
_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR, sqlite3.SQLITE_FORMAT})
"""SQLITE_ERROR: a statement is right but for the tables, which are not as octoroute has made them."""
_DAMAGE = "{file}: is damaged or no database ({cause}); move it away, or set store.url to another file"
_AWAY = {
    sqlite3.SQLITE_FULL: "the disk is full",
    sqlite3.SQLITE_BUSY: "another process has locked it",
    sqlite3.SQLITE_LOCKED: "another process has locked it",
    sqlite3.SQLITE_READONLY: "it may not be written",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened or created",
    sqlite3.SQLITE_IOERR: "it cannot be read or written",
    sqlite3.SQLITE_NOMEM: "there is not enough memory",
    sqlite3.SQLITE_PROTOCOL: "another process has locked it",
}


class _SqliteConnection:
    def __init__(self, file: Path, busy_s: float) -> None:
        self._file = file
        try:
            self._connection = sqlite3.connect(
                file, timeout=busy_s, isolation_level=None, check_same_thread=False, cached_statements=256
            )
        except sqlite3.Error as error:
            raise UnusableStore(f"{file}: cannot be opened or created ({error})") from error

    def execute(self, sql: str, parameters: Sequence[object] = (), /) -> Cursor:
        try:
            return self._connection.execute(sql, parameters)  # type: ignore[arg-type]  # the values are of SQLite's types
        except sqlite3.Error as error:
            raise _translated(error, self._file) from error
        except UnicodeDecodeError as error:  # the driver decodes SQLite's words about a damaged schema, or a damaged text
            raise UnusableStore(_DAMAGE.format(file=self._file, cause="a text in it is no UTF-8")) from error
        except (OverflowError, UnicodeEncodeError) as error:
            raise StatementError(f"{self._file}: {error}") from error

    def close(self) -> None:
        self._connection.close()


class SqliteDatabase:
    """A `Database`."""

    def __init__(self, file: Path, *, busy_s: float = BUSY_S, vault: Vault = NO_VAULT) -> None:
        self.file = file
        self.name = str(file)
        self.errors: tuple[type[Exception], ...] = (sqlite3.Error,)
        self.vault = vault
        self._busy_s = busy_s

    def connect(self) -> Connection:
        try:
            self.file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not self.file.exists():
                self.file.touch(mode=0o600)
        except OSError as error:
            raise UnusableStore(f"{self.file}: cannot be created: {error.strerror}") from error
        connection = _SqliteConnection(self.file, self._busy_s)
        try:
            self._prepare(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _prepare(self, connection: Connection) -> None:
        version = self._version(connection)
        if version < len(schema.SQLITE):
            connection.execute("PRAGMA journal_mode = WAL")
            with transaction(self, connection):
                for number in range(self._version(connection), len(schema.SQLITE)):  # another process may have been faster
                    for statement in schema.SQLITE[number]:
                        connection.execute(statement)
                connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                connection.execute(f"PRAGMA user_version = {len(schema.SQLITE)}")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA cache_size = -8192")
        connection.execute("PRAGMA mmap_size = 268435456")
        connection.execute("PRAGMA secure_delete = FAST")

    def _version(self, connection: Connection) -> int:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if application != APPLICATION_ID and (application or version or tables):
            raise UnusableStore(f"{self.file}: is another program's database; set store.url to another file")
        return check_version(self.name, version, len(schema.SQLITE))

    def begin(self, connection: Connection, *, alone: bool) -> None:
        if alone:
            connection.execute("PRAGMA secure_delete = ON")
        connection.execute("BEGIN IMMEDIATE")

    def lock_sums(self, connection: Connection) -> None:
        """A transaction that writes is the only one."""

    def days(self, connection: Connection) -> list[int]:
        rows = connection.execute(
            f"SELECT name FROM sqlite_master WHERE type = 'table' AND name GLOB 'requests_{'[0-9]' * 8}'"
        ).fetchall()
        return sorted(day_of_suffix(row[0].removeprefix("requests_")) for row in rows)

    def create_day(self, connection: Connection, day: int) -> None:
        if day in self.days(connection):
            return
        name = suffix(day)
        connection.execute(schema.requests(f"requests_{name}", "INTEGER"))
        connection.execute(f"CREATE INDEX requests_{name}_id ON requests_{name} (id)")
        connection.execute(f"CREATE INDEX requests_{name}_labels ON requests_{name} (labels, seq)")
        connection.execute(schema.records(f"records_{name}", "INTEGER", "BLOB"))
        connection.execute(schema.bodies(f"bodies_{name}", "INTEGER", "BLOB"))
        self._create_view(connection)

    def drop_day(self, connection: Connection, day: int) -> None:
        name = suffix(day)
        with transaction(self, connection):
            connection.execute("DROP VIEW IF EXISTS requests")
            for table in ("requests", "records", "bodies"):
                connection.execute(f"DROP TABLE IF EXISTS {table}_{name}")
            self._create_view(connection)
            connection.execute("DELETE FROM label_days WHERE day = ?", (day,))
            connection.execute("UPDATE meta SET value = value + 1 WHERE name = 'generation'")

    def empty_bodies(self, connection: Connection, day: int) -> None:
        connection.execute(f"DELETE FROM bodies_{suffix(day)}")  # without a condition, SQLite frees whole pages

    def _create_view(self, connection: Connection) -> None:
        """All requests with their labels, for people who ask with SQL."""
        connection.execute("DROP VIEW IF EXISTS requests")
        days = self.days(connection)[-_VIEW_DAYS:]
        if days:
            every = " UNION ALL ".join(f"SELECT * FROM requests_{suffix(day)}" for day in days)
            connection.execute(
                "CREATE VIEW requests AS SELECT datetime((r.seq >> 10) / 1000000, 'unixepoch') AS ended_at, r.*, l.* "
                f"FROM ({every}) AS r JOIN labels AS l ON l.id = r.labels"
            )

    def insert(
        self, connection: Connection, table: str, names: Sequence[str], columns: Sequence[Sequence[object]], conflict: str
    ) -> int:
        """Without columns that are NULL in every row.

        The driver takes as long for a NULL as for ten other values: it looks for a converter, and raises an exception within.
        """
        count = len(columns[0]) if columns else 0
        kept = [
            (name, values)
            for name, values in zip(names, columns, strict=bool(columns))
            if values[0] is not None or values.count(None) < count
        ]
        known, columns = tuple([name for name, _ in kept]), [values for _, values in kept]
        at = written = 0
        for size in _CHUNKS:
            while count - at >= size:
                some = [values[at : at + size] for values in columns]
                flat = list(chain.from_iterable(zip(*some, strict=True)))
                written += connection.execute(_insertion(table, known, size, conflict), flat).rowcount
                at += size
        return written

    def newest(self, connection: Connection, table: str, labels: Sequence[int], low: int, high: int, limit: int) -> list[int]:
        """Each label's newest numbers, merged."""
        one = f"SELECT * FROM (SELECT seq FROM {table} WHERE labels = ? AND seq >= ? AND seq < ? ORDER BY seq DESC LIMIT ?)"
        numbers: list[int] = []
        for at in range(0, len(labels), _MAX_SELECTS):
            some = labels[at : at + _MAX_SELECTS]
            parameters = [value for label in some for value in (label, low, high, limit)]
            numbers += (row[0] for row in connection.execute(" UNION ALL ".join([one] * len(some)), parameters).fetchall())
            if len(numbers) >= limit:
                numbers = sorted(numbers, reverse=True)[:limit]
                low = numbers[-1]
        return sorted(numbers, reverse=True)[:limit]

    def id_begins_with(self, prefix: str) -> tuple[str, tuple[str, str]]:
        """By the index, whose order is that of the bytes."""
        return "id >= ? AND id < ? AND ", (prefix, prefix + "\U0010ffff")

    def erase(self, connection: Connection) -> None:
        for _ in range(_ERASE_ATTEMPTS):
            if connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0:
                return
            time.sleep(_ERASE_PAUSE_S)  # a reader of another process needs what is in the log


@lru_cache(maxsize=128)
def _insertion(table: str, columns: tuple[str, ...], rows: int, conflict: str) -> str:
    values = f"({placeholders(len(columns))})"
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES {', '.join([values] * rows)} {conflict}"


def _translated(error: sqlite3.Error, file: Path) -> Exception:
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    if code in _DAMAGED:
        return UnusableStore(_DAMAGE.format(file=file, cause=error))
    if code in _AWAY:
        return StoreUnavailable(f"{file}: {_AWAY[code]}")
    return StatementError(f"{file}: {error}")
