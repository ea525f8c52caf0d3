"""The scores of past requests, with what each tier would have cost: what moving the thresholds would have changed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from functools import lru_cache
from typing import Protocol

import msgspec

from octoroute.domain.endpoint import Endpoint, Tier
from octoroute.gateway.decision_record import snapshot, stored
from octoroute.gateway.decision_record.snapshot import Snapshot
from octoroute.gateway.decision_record.view import alternatives
from octoroute.store.base import HistoryEntry, HistoryFilter, HistoryPage

SCORING = ("learned", "cascade")
"""Strategies that decide by a score."""
_SNAPSHOTS = 8


class PastRequests(Protocol):
    """The part of a `HistoryStore` that is needed here."""

    async def page(self, wanted: HistoryFilter, *, limit: int, before: int | None = None) -> HistoryPage: ...

    async def get(self, id: str) -> HistoryEntry | None: ...


class ScoredRequest(msgspec.Struct, frozen=True, kw_only=True):
    score: float
    tier: Tier
    """That the request was sent to first."""
    cost_micros: int | None
    """None: no price is known."""
    elsewhere: Mapping[Tier, int]
    """What the tokens of the answer would have cost in each tier that has a price."""


async def scored_requests(history: PastRequests, limit: int) -> AsyncIterator[tuple[ScoredRequest, Snapshot]]:
    """Up to `limit` requests that a score decided, newest first, each with the settings of then. Raises StoreUnavailable."""
    page = await history.page(HistoryFilter(where={"strategy": SCORING}), limit=limit)
    for row in page.rows:
        entry = await history.get(row.id)
        record = None if entry is None or entry.record is None else stored.decode(entry.record)
        decision = None if record is None or record.decision is None else record.decision.decision()
        if entry is None or record is None or decision is None or decision.confidence is None or entry.settings is None:
            continue
        then, endpoints = _settings(entry.settings)
        found = alternatives(entry.row, record, endpoints)
        cost = entry.row.cost_nusd
        request = ScoredRequest(
            score=decision.confidence,
            tier=decision.tier,
            cost_micros=None if cost is None else cost // 1000,
            elsewhere={one["tier"]: one["cost_micros"] for one in found},
        )
        yield request, then


@lru_cache(_SNAPSHOTS)
def _settings(data: bytes) -> tuple[Snapshot, Sequence[Endpoint]]:
    then = snapshot.decode(data)
    return then, tuple(endpoint.endpoint() for endpoint in then.endpoints)
