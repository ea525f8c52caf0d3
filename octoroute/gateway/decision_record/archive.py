"""Decision records out of the history store, whole again: the row, the stored record, and the settings of then."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from octoroute.dialects.base import Inbound
from octoroute.errors import BadRequest
from octoroute.gateway.decision_record import snapshot, stored
from octoroute.gateway.decision_record.repetition import repeat
from octoroute.gateway.decision_record.view import record_view, row_view
from octoroute.gateway.decision_record.what_if import SettingsChange, redecide
from octoroute.store.base import HistoryEntry


class EntryArchive(Protocol):
    """The part of a `HistoryStore` that is needed here."""

    async def get(self, id: str) -> HistoryEntry | None: ...


class RecordArchive:
    def __init__(self, history: EntryArchive, inbound: Mapping[str, Inbound]) -> None:
        self._history = history
        self._inbound = inbound

    async def find(self, id: str) -> dict[str, Any] | None:
        """The newest request with this id. None: it is not kept, or not any more. Raises StoreUnavailable."""
        entry = await self._history.get(id)
        return None if entry is None else await self.view(entry)

    async def redecide(self, id: str, change: SettingsChange) -> dict[str, Any] | None:
        """What a change of the settings would have decided. None: as of `find`. Raises BadRequest, and StoreUnavailable."""
        entry = await self._history.get(id)
        if entry is None:
            return None
        if entry.record is None or entry.settings is None or entry.row.labels.dialect not in self._inbound:
            raise BadRequest("this request has no decision record; there is nothing to decide again")
        then = snapshot.decode(entry.settings)
        return await redecide(entry.row, stored.decode(entry.record), then, self._inbound, change)

    async def view(self, entry: HistoryEntry) -> dict[str, Any]:
        """Without what is not kept: a request that could not be read has no decision."""
        record = None if entry.record is None else stored.decode(entry.record)
        if record is None or entry.settings is None:
            return row_view(entry.row)
        then = snapshot.decode(entry.settings)
        dialect = entry.row.labels.dialect
        again = await repeat(record, then, self._inbound, dialect) if dialect in self._inbound else None
        return record_view(entry.row, record, then, again)


def not_kept(id: str) -> str:
    """The message for an id that is not found."""
    return f"no request with the id {id[:128]!r} is in the history: it is unknown, or older than store.retention_days"
