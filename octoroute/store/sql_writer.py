"""Writes entries to a SQL database: rows, decision records, bodies, and hourly sums in one transaction.

Entries are written at least once and count once: a row whose number is there already changes nothing.
Many rows go into one statement, because each statement of the drivers gives up the interpreter's lock and waits to get it back,
up to 5 ms under load.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

import msgspec

from octoroute.store.base import HOUR_S, SEQ_BITS, Aggregate, HistoryEntry, Labels
from octoroute.store.database import DAY_S, Connection, Database, day_of, placeholders, suffix, transaction
from octoroute.store.rows import (
    LABEL_COLUMNS,
    LABELS,
    ROW_COLUMNS,
    SUM_COLUMNS,
    label_values,
    merge_packed,
    pack,
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
        self._generation = -1

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
        days: defaultdict[int, list[HistoryEntry]] = defaultdict(list)
        for entry in entries:
            days[day_of(entry.row.seq)].append(entry)
        for day, some in days.items():
            self._write_day(connection, day, some)
        self._add_sums(connection, entries)

    def _check_generation(self, connection: Connection) -> None:
        """Another process may have deleted labels or days that this one remembers; it then increments the generation."""
        (generation,) = connection.execute("SELECT value FROM meta WHERE name = 'generation'").fetchone()
        if generation != self._generation:
            self.reset()
            self._generation = generation

    def _write_day(self, connection: Connection, day: int, entries: Sequence[HistoryEntry]) -> None:
        if day not in self._days:
            self._database.create_day(connection, day)
            self._days.add(day)
        name = suffix(day)
        rows = [pack(entry.row, self._label_id(connection, entry.row.labels)) for entry in entries]
        if self._database.insert(connection, f"requests_{name}", ROW_COLUMNS, rows, _ONCE) < len(rows):
            raise _RepeatedRows
        records = [(entry.row.seq, entry.record) for entry in entries if entry.record is not None]
        self._database.insert(connection, f"records_{name}", ("seq", "record"), records, _ONCE)
        bodies = [(entry.row.seq, entry.body.request, entry.body.response) for entry in entries if entry.body is not None]
        self._database.insert(connection, f"bodies_{name}", ("seq", "request", "response"), bodies, _ONCE)

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

    def _add_sums(self, connection: Connection, entries: Iterable[HistoryEntry]) -> None:
        sums: dict[tuple[int, int], Aggregate] = {}
        for entry in entries:
            row = entry.row
            key = (row.at_us // (HOUR_S * 1_000_000), self._labels[row.labels])
            found = sums.get(key)
            if found is None:
                found = sums[key] = Aggregate(start_s=0, group={})
            found.add(row)
        if not sums:
            return
        self._database.lock_sums(connection)
        for hour, numbers in _by_first(sums).items():
            for at in range(0, len(numbers), _MAX_LABELS):
                some = numbers[at : at + _MAX_LABELS]
                for labels, total, first_event in connection.execute(
                    f"SELECT labels, total, first_event FROM rollups WHERE hour = ? AND labels IN ({placeholders(len(some))})",
                    (hour, *some),
                ).fetchall():
                    added = sums[hour, labels]
                    merge_packed(added.total, total)
                    merge_packed(added.first_event, first_event)
        rows = [
            (*key, *(getattr(one, name) for name in SUM_COLUMNS), pack_sketch(one.total), pack_sketch(one.first_event))
            for key, one in sums.items()
        ]
        self._database.insert(connection, "rollups", _SUMS, rows, _ADD_SUMS)
        days: defaultdict[tuple[int, int], int] = defaultdict(int)
        for (hour, labels), one in sums.items():
            days[hour * HOUR_S // DAY_S, labels] += one.requests
        counts = [(*key, count) for key, count in days.items()]
        self._database.insert(connection, "label_days", ("day", "labels", "requests"), counts, _ADD_REQUESTS)

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


def _by_first(pairs: Iterable[tuple[int, int]]) -> dict[int, list[int]]:
    found: defaultdict[int, list[int]] = defaultdict(list)
    for first, second in pairs:
        found[first].append(second)
    return found
