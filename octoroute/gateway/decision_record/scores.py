"""The scores of past requests, with what each tier would have cost: what moving the thresholds would have changed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache

import msgspec

from octoroute.domain.endpoint import Endpoint, Tier
from octoroute.gateway.decision_record import snapshot, stored
from octoroute.gateway.decision_record.snapshot import Snapshot
from octoroute.gateway.decision_record.view import alternatives
from octoroute.store.base import HistoryEntry, HistoryFilter

SCORED = HistoryFilter(where={"strategy": ("learned", "cascade")})
"""The requests of strategies that decide by a score."""
_SNAPSHOTS = 8


class ScoredRequest(msgspec.Struct, frozen=True, kw_only=True):
    score: float
    tier: Tier
    """That the request was sent to first."""
    cost_micros: int | None
    """None: no price is known."""
    elsewhere: Mapping[Tier, int]
    """What the tokens of the answer would have cost in each tier that has a price."""


def scored_requests(entries: Iterable[HistoryEntry]) -> Iterator[tuple[ScoredRequest, Snapshot]]:
    """Those of the requests that a score decided, each with the settings of then."""
    for entry in entries:
        record = None if entry.record is None else stored.decode(entry.record)
        decision = None if record is None or record.decision is None else record.decision.decision()
        if record is None or decision is None or decision.confidence is None or entry.settings is None:
            continue
        then, endpoints = _settings(entry.settings)
        cost = entry.row.cost_nusd
        request = ScoredRequest(
            score=decision.confidence,
            tier=decision.tier,
            cost_micros=None if cost is None else cost // 1000,
            elsewhere={one["tier"]: one["cost_micros"] for one in alternatives(entry.row, record, endpoints)},
        )
        yield request, then


@lru_cache(_SNAPSHOTS)
def _settings(data: bytes) -> tuple[Snapshot, Sequence[Endpoint]]:
    then = snapshot.decode(data)
    return then, tuple(endpoint.endpoint() for endpoint in then.endpoints)
