"""What the SQL stores need of a database: connections with one kind of placeholder and of error, a schema, and tables by day.

All of it blocks, and belongs into a thread.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, date, datetime, timedelta
from typing import Any, Protocol

from octoroute.store.base import SEQ_BITS, StoreUnavailable
from octoroute.store.vault import Vault

DAY_S = 86400
_EPOCH = date(1970, 1, 1)


class UnusableStore(Exception):
    """The database must not be written: it is of a newer version, of another program, or damaged. The text is for operators."""


class StatementError(Exception):
    """The database is there, and refuses this statement."""


class Cursor(Protocol):
    @property
    def rowcount(self) -> int: ...
    def fetchone(self) -> Any: ...
    def fetchall(self) -> list[Any]: ...
    def fetchmany(self, size: int, /) -> list[Any]: ...


class Connection(Protocol):
    """In autocommit mode outside of `Database.transaction`. Parameters stand as `?`; no other `?` or `%` may be in a statement."""

    def execute(self, sql: str, parameters: Sequence[object] = (), /) -> Cursor:
        """Raises StoreUnavailable, UnusableStore, or StatementError."""
        ...

    def close(self) -> None: ...


class Database(Protocol):
    """One kind of database at one address."""

    name: str
    """For operators; without a password."""
    errors: tuple[type[Exception], ...]
    """Of the driver, which cursors raise."""
    vault: Vault
    """Seals bodies and stored responses."""

    def connect(self) -> Connection:
        """A connection to a database whose schema is up to date. Raises StoreUnavailable or UnusableStore."""
        ...

    def begin(self, connection: Connection, *, alone: bool) -> None:
        """Begin a transaction that will write. `alone`: while no other one does; what it deletes is overwritten where it can be."""
        ...

    def lock_sums(self, connection: Connection) -> None:
        """Until the end of the transaction, no other process changes hourly sums, labels, or tables by day."""
        ...

    def days(self, connection: Connection) -> list[int]:
        """The days that have tables, oldest first; days since the epoch, UTC."""
        ...

    def create_day(self, connection: Connection, day: int) -> None:
        """Create the tables of a day, inside a transaction; nothing happens if they exist."""
        ...

    def drop_day(self, connection: Connection, day: int) -> None: ...

    def empty_bodies(self, connection: Connection, day: int) -> None:
        """Remove all bodies of a day, which keeps its other tables."""
        ...

    def insert(
        self, connection: Connection, table: str, names: Sequence[str], columns: Sequence[Sequence[object]], conflict: str
    ) -> int:
        """Insert rows, given as the values of each named column, in few statements; how many rows were written.

        `columns` is empty if there is no row. `conflict`: the statement's ON CONFLICT.
        """
        ...

    def newest(self, connection: Connection, table: str, labels: Sequence[int], low: int, high: int, limit: int) -> list[int]:
        """The numbers of the newest requests with one of the labels, from `low` up to before `high`; from the index only."""
        ...

    def id_begins_with(self, prefix: str) -> tuple[str, tuple[str, str]]:
        """A condition on a request's `id`, followed by AND, and its parameters."""
        ...

    def erase(self, connection: Connection) -> None:
        """After deletions of personal data: nothing of it remains in the files of the database."""
        ...


@contextmanager
def transaction(database: Database, connection: Connection, *, alone: bool = False) -> Generator[None]:
    """Commit at the end, or roll back and raise. `alone`: as for `Database.begin`."""
    database.begin(connection, alone=alone)
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        with suppress(StoreUnavailable, UnusableStore, StatementError):  # the connection is gone, and its transaction with it
            connection.execute("ROLLBACK")
        raise


def day_of(seq: int) -> int:
    """Days since the epoch, UTC."""
    return (seq >> SEQ_BITS) // (DAY_S * 1_000_000)


def first_seq(day: int) -> int:
    return day * DAY_S * 1_000_000 << SEQ_BITS


def day_at(at_s: float) -> int:
    return int(at_s // DAY_S)


def suffix(day: int) -> str:
    """Of the names of the day's tables: `20261130`."""
    return (_EPOCH + timedelta(days=day)).strftime("%Y%m%d")


def day_of_suffix(text: str) -> int:
    return (datetime.strptime(text, "%Y%m%d").replace(tzinfo=UTC).date() - _EPOCH).days


def check_version(place: str, version: int, known: int) -> int:
    """The version of a schema. Raises UnusableStore if it is newer than `known`."""
    if version > known:
        raise UnusableStore(
            f"{place}: has schema {version} of a newer octoroute, this one knows {known}; update octoroute, or set store.url to "
            "another place"
        )
    return version


def can_be_stored(text: str) -> bool:
    """Whether a database may have this text: others are no UTF-8, or have a NUL, which PostgreSQL refuses."""
    return "\0" not in text and text.encode("utf-8", "replace").decode() == text


def placeholders(count: int) -> str:
    return ", ".join("?" * count)
