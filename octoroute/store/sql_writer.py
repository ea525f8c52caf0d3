"""Writes entries to a SQL database: rows, decision records, bodies, and hourly sums in one transaction.

Entries are written at least once and count once: a row whose number is there already changes nothing.
Many rows go into one statement, because each statement of the drivers gives up the interpreter's lock and waits to get it back,
up to 5 ms under load.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from operator import attrgetter

import msgspec

from octoroute.store.base import HOUR_S, SEQ_BITS, Aggregate, HistoryEntry, HistoryRow, Labels
from octoroute.store.bodies import pack_body
from octoroute.store.database import DAY_S, Connection, Database, day_of, placeholders, suffix, transaction
from octoroute.store.erasure import Marks
from octoroute.store.rows import (
    LABEL_COLUMNS,
    LABELS,
    LABELS_AT,
    ROW_COLUMNS,
    SUM_COLUMNS,
    Columns,
    add_rows,
    columns_of,
    label_values,
    merge_packed,
    pack_number,
    pack_sketch,
)

_MAX_LABELS = 500
"""Of one statement."""

_SUMS = ("hour", "labels", *SUM_COLUMNS, "total", "first_event")
_ADD_SUMS = (
    f"ON CONFLICT (hour, labels) DO UPDATE SET {', '.join(f'{name} = rollups.{name} + excluded.{name}' for name in SUM_COLUMNS)}, "
    "total = excluded.total, first_event = excluded.first_event"
)
_ADD_REQUESTS = "ON CONFLICT (day, labels) DO UPDATE SET requests = label_days.requests + excluded.requests"
_HOUR_SEQ = HOUR_S * 1_000_000 << SEQ_BITS
_DAY_HOURS = DAY_S // HOUR_S
_numbers = attrgetter(*SUM_COLUMNS)
_ONCE = "ON CONFLICT (seq) DO NOTHING"


class _RepeatedRows(Exception):
    """Some rows were there already."""


class SqlWriter:
    """Remembers what the database has, between the batches of one connection."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.reset()

    def reset(self) -> None:
        """For a new connection."""
        self._labels: dict[Labels, int] = {}
        self._days: set[int] = set()
        self._settings: dict[tuple[bytes, int], bytes] = {}
        """By settings and day, the number of the settings as `records.record` begins with it."""
        self._generation = -1
        self._marks: Marks | None = None

    def write(self, connection: Connection, entries: Sequence[HistoryEntry]) -> None:
        """All of them or none. Raises StoreUnavailable or UnusableStore."""
        try:
            try:
                with transaction(self._database, connection):
                    self._write(connection, entries)
            except _RepeatedRows:
                with transaction(self._database, connection):
                    self._write(connection, self._unwritten(connection, entries))
        except BaseException:
            self.reset()  # what the transaction added to the database is gone
            raise

    def _write(self, connection: Connection, entries: Sequence[HistoryEntry]) -> None:
        self._check_generation(connection)
        if self._marks:
            entries = self._marks.without_forgotten(entries)
        numbers = [entry.row.seq for entry in entries]
        if numbers and min(numbers) // _HOUR_SEQ == max(numbers) // _HOUR_SEQ:
            self._write_hour(connection, numbers[0] // _HOUR_SEQ, entries)
            return
        hours: defaultdict[int, list[HistoryEntry]] = defaultdict(list)
        for entry in entries:
            hours[entry.row.seq // _HOUR_SEQ].append(entry)
        for hour, some in hours.items():
            self._write_hour(connection, hour, some)

    def _check_generation(self, connection: Connection) -> None:
        """Another process may have deleted labels or days that this one remembers; it then increments the generation."""
        (generation,) = connection.execute("SELECT value FROM meta WHERE name = 'generation'").fetchone()
        if generation != self._generation:
            self.reset()
            self._generation = generation
            self._marks = Marks(connection)

    def _write_hour(self, connection: Connection, hour: int, entries: Sequence[HistoryEntry]) -> None:
        day = hour // _DAY_HOURS
        if day not in self._days:
            self._database.create_day(connection, day)
            self._days.add(day)
        rows = [entry.row for entry in entries]
        columns = columns_of(rows)
        numbers = {labels: self._label_id(connection, labels) for labels in set(columns[LABELS_AT])}
        packed = [*columns[:LABELS_AT], [numbers[labels] for labels in columns[LABELS_AT]], *columns[LABELS_AT + 1 :]]
        name = suffix(day)
        if self._database.insert(connection, f"requests_{name}", ROW_COLUMNS, packed, _ONCE) < len(rows):
            raise _RepeatedRows
        records = [
            (entry.row.seq, self._settings_number(connection, entry.settings, day) + entry.record)
            for entry in entries
            if entry.record is not None
        ]
        self._insert(connection, f"records_{name}", ("seq", "record"), records, _ONCE)
        bodies = [
            (entry.row.seq, *pack_body(entry.body, self._database.vault, entry.row.seq))
            for entry in entries
            if entry.body is not None
        ]
        self._insert(connection, f"bodies_{name}", ("seq", "request", "response"), bodies, _ONCE)
        groups = [(rows[0].labels, columns)] if len(numbers) == 1 else _by_labels(rows)
        self._add_sums(connection, hour, {numbers[labels]: (labels.ending, some) for labels, some in groups})

    def _insert(
        self, connection: Connection, table: str, names: Sequence[str], rows: Sequence[tuple[object, ...]], conflict: str
    ) -> None:
        self._database.insert(connection, table, names, list(zip(*rows, strict=True)), conflict)

    def _settings_number(self, connection: Connection, settings: bytes | None, day: int) -> bytes:
        """What stands before a record: the number of its settings; 0: there are none."""
        if settings is None:
            return pack_number(0)
        found = self._settings.get((settings, day))
        if found is None:
            digest = hashlib.blake2b(settings, digest_size=16).hexdigest()
            connection.execute(
                "INSERT INTO settings (digest, day, settings) VALUES (?, ?, ?) "
                "ON CONFLICT (digest) DO UPDATE SET day = excluded.day WHERE settings.day < excluded.day",
                (digest, day, settings),
            )
            (number,) = connection.execute("SELECT id FROM settings WHERE digest = ?", (digest,)).fetchone()
            found = self._settings[settings, day] = pack_number(number)
        return found

    def _label_id(self, connection: Connection, labels: Labels) -> int:
        found = self._labels.get(labels)
        if found is None:
            values = label_values(labels)
            packed = msgspec.json.encode(values).decode()
            known = connection.execute("SELECT id FROM labels WHERE packed = ?", (packed,)).fetchone()
            if known is None:
                self._database.lock_sums(connection)
                connection.execute(
                    f"INSERT INTO labels (packed, {LABEL_COLUMNS}) VALUES ({placeholders(len(LABELS) + 1)}) "
                    "ON CONFLICT (packed) DO NOTHING",
                    (packed, *values),
                )
                known = connection.execute("SELECT id FROM labels WHERE packed = ?", (packed,)).fetchone()
            found = self._labels[labels] = known[0]
        return found

    def _add_sums(self, connection: Connection, hour: int, groups: Mapping[int, tuple[str, Columns]]) -> None:
        """`groups`: by the number of their labels, how the requests ended, and their rows."""
        sums: dict[int, Aggregate] = {}
        for number, (ending, columns) in groups.items():
            sums[number] = Aggregate(start_s=0, group={})
            add_rows(sums[number], ending, columns)
        self._database.lock_sums(connection)
        numbers = list(sums)
        for at in range(0, len(numbers), _MAX_LABELS):
            some = numbers[at : at + _MAX_LABELS]
            for number, total, first_event in connection.execute(
                f"SELECT labels, total, first_event FROM rollups WHERE hour = ? AND labels IN ({placeholders(len(some))})",
                (hour, *some),
            ).fetchall():
                merge_packed(sums[number].total, total)
                merge_packed(sums[number].first_event, first_event)
        packed = [
            (hour, number, *_numbers(one), pack_sketch(one.total), pack_sketch(one.first_event)) for number, one in sums.items()
        ]
        self._insert(connection, "rollups", _SUMS, packed, _ADD_SUMS)
        counts = [(hour // _DAY_HOURS, number, one.requests) for number, one in sums.items()]
        self._insert(connection, "label_days", ("day", "labels", "requests"), counts, _ADD_REQUESTS)

    def _unwritten(self, connection: Connection, entries: Sequence[HistoryEntry]) -> list[HistoryEntry]:
        """Without those that are there. An entry whose number another request has, of another process, gets the next free one."""
        days = set(self._database.days(connection))
        taken: dict[int, str] = {}
        left: list[HistoryEntry] = []
        for entry in entries:
            seq, id = entry.row.seq, entry.row.id
            while (found := taken.get(seq) or _id_of(connection, seq, days)) is not None and found != id:
                seq += 1 << SEQ_BITS
            if found is None:
                taken[seq] = id
                row = entry.row if seq == entry.row.seq else msgspec.structs.replace(entry.row, seq=seq)
                left.append(msgspec.structs.replace(entry, row=row))
        return left


def _id_of(connection: Connection, seq: int, days: set[int]) -> str | None:
    """The request id of the row with this number; None: there is no such row."""
    if day_of(seq) not in days:
        return None
    row = connection.execute(f"SELECT id FROM requests_{suffix(day_of(seq))} WHERE seq = ?", (seq,)).fetchone()
    return None if row is None else row[0]


def _by_labels(rows: Sequence[HistoryRow]) -> list[tuple[Labels, Columns]]:
    groups: defaultdict[Labels, list[HistoryRow]] = defaultdict(list)
    for row in rows:
        groups[row.labels].append(row)
    return [(labels, columns_of(some)) for labels, some in groups.items()]
