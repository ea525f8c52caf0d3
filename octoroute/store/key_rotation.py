"""Seals again, with the first key, what another key has sealed or none: a few rows a transaction, while gateways write.

A row that has changed since it was read is left for the next call. To stop it at any point loses nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any, NamedTuple

from octoroute.store.batches import RESULT_COLUMN, result_row
from octoroute.store.bodies import REQUEST_COLUMN, RESPONSE_COLUMN
from octoroute.store.database import Connection, Database, suffix, transaction
from octoroute.store.files import PIECE_COLUMN, piece_row
from octoroute.store.schema import BODY_COLUMN, INPUT_COLUMN, RESPONSES, response_row
from octoroute.store.vault import PREFIX_BYTES, UnopenedValue

ROWS_AT_ONCE = 50


class SealedTable(NamedTuple):
    name: str
    key: dict[str, object]
    """Columns of the primary key, each with a value that is smaller than every other."""
    columns: dict[str, str]
    """Those that are sealed, with the names to which their values are bound."""
    row: Callable[..., str]
    """What a value is bound to, from the values of the primary key."""


class RotationReport(NamedTuple):
    sealed: int
    """Rows."""
    unopened: Counter[str]
    """Rows that no key opens, by reason."""


def sealed_tables(database: Database, connection: Connection) -> Iterator[SealedTable]:
    bodies = {"request": REQUEST_COLUMN, "response": RESPONSE_COLUMN}
    for day in database.days(connection):
        yield SealedTable(f"bodies_{suffix(day)}", {"seq": -1}, bodies, str)
    yield SealedTable("file_pieces", {"file": "", "number": -1}, {"data": PIECE_COLUMN}, piece_row)
    yield SealedTable("batch_results", {"batch": "", "line": -1}, {"result": RESULT_COLUMN}, result_row)
    yield SealedTable(RESPONSES, {"owner": "", "id": ""}, {"input": INPUT_COLUMN, "body": BODY_COLUMN}, response_row)


def seal_all(database: Database) -> RotationReport:
    """Blocks. Raises StoreUnavailable, UnusableStore, or StatementError."""
    with closing(database.connect()) as connection:
        sealed, unopened = 0, Counter[str]()
        for table in sealed_tables(database, connection):
            sealed += _seal_table(database, connection, table, unopened)
        if sealed:
            database.erase(connection)
        return RotationReport(sealed, unopened)


def _seal_table(database: Database, connection: Connection, table: SealedTable, unopened: Counter[str]) -> int:
    key, columns = ", ".join(table.key), ", ".join(table.columns)
    width = len(table.key)
    places = ", ".join("?" * width)
    stale = " OR ".join(f"substr({column}, 1, {PREFIX_BYTES}) <> ?" for column in table.columns)
    where = f"({key}) > ({places}) AND ({stale}) ORDER BY {key} LIMIT {ROWS_AT_ONCE}"
    select = f"SELECT {key}, {columns} FROM {table.name} WHERE {where}"
    prefixes = [database.vault.prefix] * len(table.columns)
    after: tuple[object, ...] = tuple(table.key.values())
    sealed = 0
    while rows := connection.execute(select, (*after, *prefixes)).fetchall():
        after = tuple(rows[-1][:width])
        with transaction(database, connection):
            sealed += sum(_seal_row(database, connection, table, row, unopened) for row in rows)
    return sealed


def _seal_row(database: Database, connection: Connection, table: SealedTable, row: Any, unopened: Counter[str]) -> int:
    key, values = tuple(row[: len(table.key)]), [bytes(value) for value in row[len(table.key) :]]
    place, vault = table.row(*key), database.vault
    try:
        opened = [vault.open(name, place, value) for name, value in zip(table.columns.values(), values, strict=True)]
    except UnopenedValue as error:
        unopened[str(error)] += 1
        return 0
    sealed = [vault.seal(name, place, value) for name, value in zip(table.columns.values(), opened, strict=True)]
    assigned = ", ".join(f"{column} = ?" for column in table.columns)
    where = " AND ".join(f"{column} = ?" for column in (*table.key, *table.columns))
    return connection.execute(f"UPDATE {table.name} SET {assigned} WHERE {where}", (*sealed, *key, *values)).rowcount
