"""The questions to a SQL database: one request, a page of them, sums.

A page reads the days from the newest one on. A table tells which labels a day has, so that a day without a request that meets
the conditions costs nothing; in the others, few requests are found by the index of their labels, and many by looking at all.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec

from octoroute.store.base import (
    DIMENSIONS,
    HOUR_S,
    Aggregate,
    Body,
    Dimension,
    HistoryEntry,
    HistoryFilter,
    HistoryPage,
    HistoryRow,
    Labels,
    seq_at,
)
from octoroute.store.bodies import body_has, unpack_body
from octoroute.store.database import Connection, Database, can_be_stored, day_of, first_seq, placeholders, suffix
from octoroute.store.memory import bucket_start, group_of, hours
from octoroute.store.rows import LABEL_COLUMNS, ROW_COLUMNS, SUM_COLUMNS, add_sums, labels_from, unpack, unpack_record
from octoroute.store.vault import UnopenedValue

_COLUMNS = ", ".join(ROW_COLUMNS)
_DENSE = 0.1
"""The share of a day's requests from which on they are found faster among all of them."""
_BODIES_AT_ONCE = 50
MAX_BODIES = 5_000
MAX_BODY_BYTES = 16 * 1024 * 1024
"""Bodies, and their bytes, that one page searches for a text; the next page goes on from there."""
_LAST_SEQ = (1 << 63) - 1


class SqlReader:
    """Its answers are those of a `HistoryStore`. For any number of threads, each with a connection of its own."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._labels: dict[int, Labels] = {}

    def get(self, connection: Connection, id: str) -> HistoryEntry | None:
        for day in reversed(self._database.days(connection) if can_be_stored(id) else []):
            name = suffix(day)
            values = connection.execute(
                f"SELECT {_COLUMNS} FROM requests_{name} WHERE id = ? ORDER BY seq DESC LIMIT 1", (id,)
            ).fetchone()
            found = [] if values is None else self._unpacked(connection, [values])
            if found:
                (row,) = found
                (entry,) = self._with_records(connection, [row])
                return msgspec.structs.replace(entry, body=self._body(connection, day, row.seq))
        return None

    def records(self, connection: Connection, wanted: HistoryFilter, limit: int) -> list[HistoryEntry]:
        return self._with_records(connection, self.page(connection, wanted, limit, None).rows)

    def _with_records(self, connection: Connection, rows: Sequence[HistoryRow]) -> list[HistoryEntry]:
        """The decision records of some requests, and the settings that they refer to."""
        found: dict[int, tuple[int, bytes]] = {}
        for day, some in itertools.groupby(rows, lambda row: day_of(row.seq)):
            numbers = [row.seq for row in some]
            table = f"records_{suffix(day)}"
            kept = connection.execute(f"SELECT seq, record FROM {table} WHERE seq IN ({placeholders(len(numbers))})", numbers)
            found |= {seq: unpack_record(bytes(data)) for seq, data in kept.fetchall()}
        settings = self._settings(connection, {number for number, _ in found.values()})
        return [_entry(row, found.get(row.seq), settings) for row in rows]

    @staticmethod
    def _settings(connection: Connection, numbers: Collection[int]) -> dict[int, bytes]:
        if not numbers:
            return {}
        among = placeholders(len(numbers))
        rows = connection.execute(f"SELECT id, settings FROM settings WHERE id IN ({among})", list(numbers)).fetchall()
        return {number: bytes(data) for number, data in rows}

    def page(self, connection: Connection, wanted: HistoryFilter, limit: int, before: int | None) -> HistoryPage:
        low = 0 if wanted.since_s is None else seq_at(wanted.since_s)
        high = min(_LAST_SEQ if before is None else before, _LAST_SEQ if wanted.until_s is None else seq_at(wanted.until_s))
        rows: list[HistoryRow] = []
        searched = searched_bytes = 0
        size = limit + 1 if wanted.text is None else _BODIES_AT_ONCE
        for some in self._newest_first(connection, wanted, low, high, size):
            if wanted.text is None:
                rows += some
            else:
                searched += len(some)
                bodies = self._bodies(connection, day_of(some[0].seq), [row.seq for row in some])
                searched_bytes += sum(len(body.request) + len(body.response) for body in bodies.values())
                rows += [row for row in some if row.seq in bodies and body_has(bodies[row.seq], wanted.text)]
            if len(rows) > limit:
                return HistoryPage(rows=rows[:limit], cursor=rows[limit - 1].seq)
            if searched >= MAX_BODIES or searched_bytes >= MAX_BODY_BYTES:
                return HistoryPage(rows=rows, cursor=some[-1].seq)
        return HistoryPage(rows=rows, cursor=None)

    def _newest_first(
        self, connection: Connection, wanted: HistoryFilter, low: int, high: int, size: int
    ) -> Iterator[list[HistoryRow]]:
        """Rows from `low` up to before `high` that meet the conditions but the text, in lists of one day of at most `size`."""
        days = [day for day in reversed(self._database.days(connection)) if low < first_seq(day + 1) and first_seq(day) < high]
        selections = _selections(connection, wanted, days) if wanted.where else {}
        for day in days:
            selection = selections.get(day)
            if wanted.where and selection is None:
                continue
            start, end = max(low, first_seq(day)), min(high, first_seq(day + 1))
            if wanted.text is not None:
                first, last = connection.execute(f"SELECT min(seq), max(seq) FROM bodies_{suffix(day)}").fetchone()
                if first is None:
                    continue
                start, end = max(start, first), min(end, last + 1)
            while some := self._rows(connection, day, selection, wanted.id_prefix, start, end, size):
                yield some
                if len(some) < size:
                    break
                end = some[-1].seq

    def _rows(
        self, connection: Connection, day: int, selection: _Selection | None, id_prefix: str, low: int, high: int, limit: int
    ) -> list[HistoryRow]:
        table = f"requests_{suffix(day)}"
        select = f"SELECT {_COLUMNS} FROM {table} WHERE "
        newest = "seq >= ? AND seq < ? ORDER BY seq DESC LIMIT ?"
        among, values = self._database.id_begins_with(id_prefix) if id_prefix else ("", ())
        if selection is not None and (selection.is_dense or id_prefix):  # the plus keeps both databases from the index of labels
            among = f"{among}+labels IN ({placeholders(len(selection.labels))}) AND "
            found = connection.execute(select + among + newest, (*values, *selection.labels, low, high, limit)).fetchall()
        elif selection is None:
            found = connection.execute(select + among + newest, (*values, low, high, limit)).fetchall()
        else:
            numbers = self._database.newest(connection, table, selection.labels, low, high, limit)
            if not numbers:
                return []
            among = f"seq IN ({placeholders(len(numbers))}) ORDER BY seq DESC"
            found = connection.execute(select + among, numbers).fetchall()
        return self._unpacked(connection, found)

    def _unpacked(self, connection: Connection, found: Sequence[Sequence[int]]) -> list[HistoryRow]:
        labels = self._labels
        if any(values[5] not in labels for values in found):
            labels = self._labels_by_id(connection)
        return [unpack(values, labels[values[5]]) for values in found if values[5] in labels]  # the others were just forgotten

    def _labels_by_id(self, connection: Connection) -> dict[int, Labels]:
        rows = connection.execute(f"SELECT id, {LABEL_COLUMNS} FROM labels").fetchall()
        self._labels = {row[0]: labels_from(row[1:]) for row in rows}
        return self._labels

    def aggregate(
        self, connection: Connection, wanted: HistoryFilter, by: Sequence[Dimension], bucket_s: int | None
    ) -> list[Aggregate]:
        since, until = hours(wanted)
        condition, values = _condition(wanted) if wanted.where else ("1 = 1", [])
        labels = self._labels_by_id(connection)
        cursor = connection.execute(
            f"SELECT hour, labels, {', '.join(SUM_COLUMNS)}, total, first_event FROM rollups WHERE hour >= ? AND hour < ? "
            f"AND labels IN (SELECT id FROM labels WHERE {condition})",
            (since // HOUR_S, until // HOUR_S, *values),
        )
        sums: dict[tuple[int, tuple[str, ...]], Aggregate] = {}
        while rows := cursor.fetchmany(200):
            for hour, label_id, *numbers, total, first_event in rows:
                known = labels.get(label_id)
                if known is None:
                    continue  # forgotten meanwhile
                start, group = bucket_start(hour * HOUR_S, bucket_s, since), group_of(known, by)
                found = sums.get(key := (start, tuple(group.values())))
                if found is None:
                    found = sums[key] = Aggregate(start_s=start, group=group)
                add_sums(found, numbers, total, first_event, known.ending)
        return [sums[key] for key in sorted(sums)]

    def _body(self, connection: Connection, day: int, seq: int) -> Body | None:
        try:
            return self._bodies(connection, day, [seq]).get(seq)
        except UnopenedValue as error:
            return Body(request=b"", response=b"", problem=str(error))

    def _bodies(self, connection: Connection, day: int, numbers: Sequence[int]) -> dict[int, Body]:
        """Raises UnopenedValue."""
        rows = connection.execute(
            f"SELECT seq, request, response FROM bodies_{suffix(day)} WHERE seq IN ({placeholders(len(numbers))})", numbers
        ).fetchall()
        vault = self._database.vault
        return {seq: unpack_body(bytes(request), bytes(response), vault, seq) for seq, request, response in rows}


def _entry(row: HistoryRow, record: tuple[int, bytes] | None, settings: Mapping[int, bytes]) -> HistoryEntry:
    if record is None:
        return HistoryEntry(row=row)
    number, data = record
    return HistoryEntry(row=row, record=data, settings=settings.get(number))


def _condition(wanted: HistoryFilter) -> tuple[str, list[str]]:
    """On the table of labels, with its parameters."""
    parts: list[str] = []
    values: list[str] = []
    for dimension, some in wanted.where.items():
        if dimension not in DIMENSIONS:  # it becomes part of the statement
            raise ValueError(f"{dimension} is nothing that requests are filtered by")
        known = [value for value in some if can_be_stored(value)]
        parts.append(f'"{dimension}" IN ({placeholders(len(known))})' if known else "1 = 0")
        values += known
    return " AND ".join(parts), values


class _Selection(NamedTuple):
    """What a day has of the requests that meet the conditions."""

    labels: Sequence[int]
    is_dense: bool
    """They are found faster among all requests of the day than in the index of labels."""


def _selections(connection: Connection, wanted: HistoryFilter, days: Sequence[int]) -> dict[int, _Selection]:
    """By day; a day without such requests is missing."""
    if not days:
        return {}
    condition, values = _condition(wanted)
    among = f"FROM label_days WHERE day >= ? AND day <= ? AND labels IN (SELECT id FROM labels WHERE {condition})"
    between = days[-1], days[0]
    totals = dict(
        connection.execute("SELECT day, sum(requests) FROM label_days WHERE day >= ? AND day <= ? GROUP BY day", between).fetchall()
    )
    found: defaultdict[int, list[int]] = defaultdict(list)
    counts: defaultdict[int, int] = defaultdict(int)
    for day, labels, requests in connection.execute(f"SELECT day, labels, requests {among}", (*between, *values)).fetchall():
        found[day].append(labels)
        counts[day] += requests
    return {day: _Selection(labels, len(labels) > 1 and counts[day] > totals.get(day, 0) * _DENSE) for day, labels in found.items()}
