"""The history in the memory of this process: the newest requests, up to a number. A restart forgets them."""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from collections.abc import Callable, Sequence

import msgspec

from octoroute.domain.erasure import Erasure
from octoroute.store.base import (
    HOUR_S,
    Aggregate,
    Dimension,
    EntrySource,
    HistoryEntry,
    HistoryFilter,
    HistoryPage,
    HistoryRow,
    Labels,
    matches,
    seq_at,
)
from octoroute.store.bodies import body_has, names_user
from octoroute.store.rows import add_rows, columns_of

MAX_ENTRIES = 10_000
ENTRIES_PER_TURN = 250
"""Made in one turn of the event loop, which takes a few milliseconds."""


class MemoryHistory:
    """A `HistoryStore`."""

    def __init__(self, max_entries: int = MAX_ENTRIES) -> None:
        """The oldest requests beyond `max_entries` are forgotten, their hourly sums included."""
        self._sources: deque[tuple[EntrySource, tuple[object, ...]]] = deque(maxlen=max_entries)
        """The newest requests, whose entries have not been read yet. Most never are: no request pays for making its entry."""
        self._made: deque[HistoryEntry] = deque(maxlen=max_entries)

    def append(self, source: EntrySource, *arguments: object) -> None:
        self._sources.append((source, arguments))

    async def _entries(self) -> deque[HistoryEntry]:
        """Oldest first. Making many entries takes a while: other requests are served in between."""
        while self._sources:
            for _ in range(min(len(self._sources), ENTRIES_PER_TURN)):
                source, arguments = self._sources.popleft()
                self._made.append(source(*arguments))
            await asyncio.sleep(0)
        return self._made

    async def get(self, id: str) -> HistoryEntry | None:
        return next((entry for entry in reversed(await self._entries()) if entry.row.id == id), None)

    async def page(self, wanted: HistoryFilter, *, limit: int, before: int | None = None) -> HistoryPage:
        rows: list[HistoryRow] = []
        for entry in reversed(await self._entries()):
            if (before is None or entry.row.seq < before) and _wanted(entry, wanted):
                rows.append(entry.row)
                if len(rows) > limit:
                    break
        more = len(rows) > limit
        del rows[limit:]
        return HistoryPage(rows=rows, cursor=rows[-1].seq if more and rows else None)

    async def records(self, wanted: HistoryFilter, *, limit: int) -> Sequence[HistoryEntry]:
        found = (entry for entry in reversed(await self._entries()) if _wanted(entry, wanted))
        return [msgspec.structs.replace(entry, body=None) for entry in itertools.islice(found, limit)]

    async def aggregate(
        self, wanted: HistoryFilter, *, by: Sequence[Dimension] = (), bucket_s: int | None = None
    ) -> Sequence[Aggregate]:
        since, until = hours(wanted)
        sums: dict[tuple[int, tuple[str, ...]], Aggregate] = {}
        for entry in await self._entries():
            labels, at_s = entry.row.labels, entry.row.at_us // 1_000_000
            if not since <= at_s < until or not matches(labels, wanted.where):
                continue
            start = bucket_start(at_s, bucket_s, since)
            found = sums.get(key := (start, tuple(group_of(labels, by).values())))
            if found is None:
                found = sums[key] = Aggregate(start_s=start, group=group_of(labels, by))
            add_rows(found, labels.ending, columns_of((entry.row,)))
        return [sums[key] for key in sorted(sums)]

    async def forget(self, key: str) -> Erasure:
        return await self._forget(lambda entry: entry.row.labels.key == key)

    async def forget_user(self, user: str) -> Erasure:
        return await self._forget(lambda entry: entry.body is not None and names_user(entry.body.request, user))

    async def _forget(self, is_theirs: Callable[[HistoryEntry], bool]) -> Erasure:
        entries = await self._entries()
        kept: list[HistoryEntry] = []
        gone = Erasure()
        for entry in entries:
            if is_theirs(entry):
                gone.requests += 1
                gone.records += entry.record is not None
                gone.bodies += entry.body is not None
            else:
                kept.append(entry)
        entries.clear()
        entries.extend(kept)
        return gone

    async def close(self) -> None:
        """Nothing to write."""


def _wanted(entry: HistoryEntry, wanted: HistoryFilter) -> bool:
    row = entry.row
    if wanted.since_s is not None and row.seq < seq_at(wanted.since_s):
        return False
    if wanted.until_s is not None and row.seq >= seq_at(wanted.until_s):
        return False
    if not matches(row.labels, wanted.where) or not row.id.startswith(wanted.id_prefix):
        return False
    if wanted.text is None:
        return True
    return entry.body is not None and body_has(entry.body, wanted.text)


def hours(wanted: HistoryFilter) -> tuple[int, int]:
    """The filter's times, widened to whole hours: seconds since the epoch, the second one exclusive."""
    since = 0 if wanted.since_s is None else int(wanted.since_s // HOUR_S) * HOUR_S
    until = 1 << 40 if wanted.until_s is None else -int(-wanted.until_s // HOUR_S) * HOUR_S
    return since, until


def bucket_start(at_s: int, bucket_s: int | None, since_s: int) -> int:
    """The start of the bucket of a time; `since_s` is that of the only bucket if `bucket_s` is None."""
    return since_s if bucket_s is None else at_s // bucket_s * bucket_s


def group_of(labels: Labels, by: Sequence[Dimension]) -> dict[Dimension, str]:
    return {dimension: getattr(labels, dimension) for dimension in by}
