"""Deletes what a database has of a person: of a key, or of an end user that requests name.

A mark in the database keeps every process from writing what was put aside before, in its memory or in a spool. It holds a digest of
the name, and goes with the retention.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

from octoroute.domain.erasure import Erasure
from octoroute.store import schema
from octoroute.store.base import HistoryEntry, StoreUnavailable
from octoroute.store.bodies import names_user, unpack_body, users_of
from octoroute.store.database import Connection, Database, can_be_stored, placeholders, suffix, transaction
from octoroute.store.vault import UnopenedValue

_MARK = "forgotten:"
_AT_ONCE = 200
"""Rows of one statement, and bodies that are held in memory."""
_COUNTED = ("records", "bodies")


class Marks:
    """Of persons that were forgotten: what ended before is not written any more."""

    def __init__(self, connection: Connection) -> None:
        rows = connection.execute("SELECT name, value FROM meta WHERE name LIKE ?", (f"{_MARK}%",)).fetchall()
        self._until: dict[str, int] = {name.removeprefix(_MARK): until for name, until in rows}

    def __bool__(self) -> bool:
        return bool(self._until)

    def without_forgotten(self, entries: Iterable[HistoryEntry]) -> list[HistoryEntry]:
        return [entry for entry in entries if not any(entry.row.seq < self._until.get(name, 0) for name in _digests(entry))]


def _digests(entry: HistoryEntry) -> Iterator[str]:
    yield _digest("key", entry.row.labels.key)
    if entry.body is not None:
        yield from (_digest("user", user) for user in users_of(entry.body.request))


def _digest(kind: str, name: str) -> str:
    return hashlib.sha256(f"{kind}\0{name}".encode("utf-8", "surrogatepass")).hexdigest()


def drop_marks(connection: Connection, before_seq: int) -> None:
    """Of persons who were forgotten so long ago that nothing older is kept."""
    connection.execute("DELETE FROM meta WHERE name LIKE ? AND value < ?", (f"{_MARK}%", before_seq))


def _mark(database: Database, connection: Connection, kind: str, name: str, until_seq: int) -> None:
    with transaction(database, connection, alone=True):
        connection.execute(
            "INSERT INTO meta (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            (_MARK + _digest(kind, name), until_seq),
        )
        connection.execute("UPDATE meta SET value = value + 1 WHERE name = 'generation'")


def forget_key(database: Database, connection: Connection, key: str, until_seq: int) -> Erasure:
    """Requests, their decision records and bodies, and the hourly sums. One transaction a day, so that no writer waits for long.

    `until_seq`: what ended before is not written later. The last transaction also deletes what was written meanwhile.
    """
    _mark(database, connection, "key", key, until_seq)
    labels = [row[0] for row in connection.execute('SELECT id FROM labels WHERE "key" = ?', (key,)).fetchall()]
    found = Erasure()
    for some in _parts(labels):
        for day in database.days(connection):
            with transaction(database, connection, alone=True):
                _delete_labels(connection, day, some, found)
    with transaction(database, connection, alone=True):
        labels = [row[0] for row in connection.execute('SELECT id FROM labels WHERE "key" = ?', (key,)).fetchall()]
        for some in _parts(labels):
            for day in database.days(connection):
                _delete_labels(connection, day, some, found)
            among = placeholders(len(some))
            for table in ("rollups", "label_days"):
                connection.execute(f"DELETE FROM {table} WHERE labels IN ({among})", some)
            connection.execute(f"DELETE FROM labels WHERE id IN ({among})", some)
        connection.execute("UPDATE meta SET value = value + 1 WHERE name = 'generation'")
    database.erase(connection)
    return found


def _delete_labels(connection: Connection, day: int, labels: Sequence[int], found: Erasure) -> None:
    name, among = suffix(day), f"labels IN ({placeholders(len(labels))})"
    for table in _COUNTED:
        deleted = connection.execute(
            f"DELETE FROM {table}_{name} WHERE seq IN (SELECT seq FROM requests_{name} WHERE {among})", labels
        ).rowcount
        setattr(found, table, getattr(found, table) + deleted)
    found.requests += connection.execute(f"DELETE FROM requests_{name} WHERE {among}", labels).rowcount


def forget_user(database: Database, connection: Connection, user: str, until_seq: int) -> Erasure:
    """Requests whose body names the end user, with their decision records and bodies, and stored responses that name them.

    Hourly sums do not know end users, and stay. All bodies are read for it. Raises StoreUnavailable if some cannot be read, after
    the others have been deleted.
    """
    _mark(database, connection, "user", user, until_seq)
    found = Erasure()
    unopened: list[str] = []
    for day in database.days(connection):
        last = 0
        while rows := connection.execute(
            f"SELECT seq, request, response FROM bodies_{suffix(day)} WHERE seq > ? ORDER BY seq LIMIT {_AT_ONCE}", (last,)
        ).fetchall():
            last = rows[-1][0]
            bodies = {row[0]: _body_of(database, row, unopened) for row in rows}
            numbers = [seq for seq, body in bodies.items() if names_user(body, user)]
            if numbers:
                _delete_numbers(database, connection, day, numbers, found)
    _delete_responses_of(database, connection, user, found, unopened)
    database.erase(connection)
    if unopened:
        raise StoreUnavailable(f"{len(unopened)} bodies or responses cannot be read, and stay: {unopened[0]}")
    return found


def _body_of(database: Database, row: Any, unopened: list[str]) -> bytes:
    """The client's request; empty if it is sealed with a key that is not known."""
    try:
        return unpack_body(bytes(row[1]), bytes(row[2]), database.vault, row[0]).request
    except UnopenedValue as error:
        unopened.append(str(error))
        return b""


def _delete_numbers(database: Database, connection: Connection, day: int, numbers: Sequence[int], found: Erasure) -> None:
    with transaction(database, connection, alone=True):
        for table in (*_COUNTED, "requests"):
            deleted = connection.execute(
                f"DELETE FROM {table}_{suffix(day)} WHERE seq IN ({placeholders(len(numbers))})", numbers
            ).rowcount
            setattr(found, table, getattr(found, table) + deleted)


def _delete_responses_of(database: Database, connection: Connection, user: str, found: Erasure, unopened: list[str]) -> None:
    last: tuple[str, str] = ("", "")
    while rows := connection.execute(
        f"SELECT owner, id, body FROM responses WHERE owner > ? OR (owner = ? AND id > ?) ORDER BY owner, id LIMIT {_AT_ONCE}",
        (last[0], *last),
    ).fetchall():
        last = rows[-1][0], rows[-1][1]
        for owner, id, body in rows:
            try:
                opened = database.vault.open(schema.BODY_COLUMN, schema.response_row(owner, id), bytes(body))
            except UnopenedValue as error:
                unopened.append(str(error))
                continue
            if names_user(opened, user):
                with transaction(database, connection, alone=True):
                    connection.execute("DELETE FROM response_items WHERE owner = ? AND response_id = ?", (owner, id))
                    found.responses += connection.execute("DELETE FROM responses WHERE owner = ? AND id = ?", (owner, id)).rowcount


def forget_owners(database: Database, connection: Connection, owners: Collection[str]) -> int:
    """Delete everything that clients with keys of these owners have stored; how many responses there were."""
    responses = 0
    for owner in sorted(filter(can_be_stored, owners)):
        with transaction(database, connection, alone=True):
            for table, (column, whole) in schema.OWNED_PARTS.items():
                connection.execute(f"DELETE FROM {table} WHERE {column} IN (SELECT id FROM {whole} WHERE owner = ?)", (owner,))
            for table in schema.OWNED:
                deleted = connection.execute(f"DELETE FROM {table} WHERE owner = ?", (owner,)).rowcount
                responses += deleted if table == schema.RESPONSES else 0
    database.erase(connection)
    return responses


def _parts(labels: Sequence[int]) -> Iterator[Sequence[int]]:
    for at in range(0, len(labels), _AT_ONCE):
        yield labels[at : at + _AT_ONCE]
