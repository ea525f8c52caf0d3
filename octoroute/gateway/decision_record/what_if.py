"""What another setting would have decided: a decision record decided again, with a change.

What the record does not have stays unknown: endpoints that were not looked at are taken as available, and endpoints that the load
balancing policy did not rank then as equal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import msgspec

from octoroute.balancing.policies import Policy, PolicyInputs
from octoroute.dialects.base import Inbound
from octoroute.domain.decision import Decision
from octoroute.domain.endpoint import Endpoint
from octoroute.domain.request import Request
from octoroute.domain.trace import EndpointState, SeededRandom
from octoroute.errors import BadRequest, OctorouteError
from octoroute.gateway.decision_record.recorded_planner import RecordedPlanner
from octoroute.gateway.decision_record.repetition import decide_again, dialects_of
from octoroute.gateway.decision_record.snapshot import Snapshot
from octoroute.gateway.decision_record.stored import StoredPlan, StoredRecord
from octoroute.routing.difficulty.thresholds import Thresholds
from octoroute.routing.strategies.base import CascadeOptions
from octoroute.store.base import HistoryRow

UNAVAILABLE = "taken as unavailable"
_SCORED = frozenset({"learned", "cascade"})
_Share = Annotated[float, msgspec.Meta(ge=0, le=1)]


def _idle(_: Endpoint) -> int:
    return 0


def _unnamed(_: Request) -> None:
    return None


def _no_conversation(_: Request) -> bytes:
    return b""


_NEUTRAL = PolicyInputs(clock=lambda: 0.0, in_flight=_idle, user_of=_unnamed, conversation_of=_no_conversation)


class ThresholdChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """None: as they were."""

    balanced: _Share | None = None
    deep: _Share | None = None


class SettingsChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of `POST /admin/requests/{id}/redecide`; what is left out is as it was."""

    thresholds: ThresholdChange = ThresholdChange()
    strategy: str | None = None
    quality: _Share | None = None
    """In place of the client's."""
    unavailable: Annotated[tuple[str, ...], msgspec.Meta(max_length=1000)] = ()
    """Ids of endpoints."""


async def redecide(
    row: HistoryRow, record: StoredRecord, snapshot: Snapshot, inbound: Mapping[str, Inbound], change: SettingsChange
) -> dict[str, Any]:
    """Raises BadRequest for a change that the record does not know enough for."""
    if record.decision is None:
        raise BadRequest("this request was refused before it was decided; there is nothing to decide again")
    recorded = record.decision.decision()
    ids = snapshot.ids()
    changed = msgspec.structs.replace(snapshot, basis=_basis(snapshot, recorded.routed or recorded, change))
    unknown = [id for id in change.unavailable if id not in ids]
    if unknown:
        raise BadRequest(
            f"there was no endpoint {unknown[0][:100]!r}; the endpoints were {', '.join(ids[:50])}", param="unavailable"
        )
    if change.quality is not None:
        record = msgspec.structs.replace(record, facts=msgspec.structs.replace(record.facts, quality=change.quality))
    first = record.plans[0] if record.plans else StoredPlan("each", ())
    was = _told(recorded, [ids[position] for position in first.order], first.reasons(), ids)
    planner = WhatIfPlanner(dialects_of(changed), inbound, first, ids)
    try:
        decision, request, settings = await decide_again(record, recorded, changed, planner, row.labels.dialect, _NEUTRAL)
        if first.facts is not None:
            request = msgspec.structs.replace(request, facts=first.facts.facts())
        plan = planner.again(_with_unavailable(first, ids, change.unavailable), ids, decision, request, settings, None)
    except OctorouteError as error:
        return {"id": row.id, "same": False, "was": was, "now": None, "error": error.message}
    now = _told(decision, [endpoint.id for endpoint in plan.order], {}, ids)
    now["excluded"] = dict(plan.excluded)
    same = all(was[name] == now[name] for name in ("tier", "strategy", "reason", "then", "rejected", "order"))
    return {"id": row.id, "same": same, "was": was, "now": now, "error": None}


def _told(decision: Decision, order: list[str], reasons: Mapping[int, str], ids: Sequence[str]) -> dict[str, Any]:
    return {
        "tier": decision.tier,
        "strategy": decision.by,
        "reason": decision.why,
        "confidence": decision.confidence,
        "then": decision.then,
        "rejected": decision.reject,
        "endpoint": order[0] if order else None,
        "order": order,
        "excluded": {ids[position]: reason for position, reason in reasons.items()},
    }


def _basis(snapshot: Snapshot, said: Decision, change: SettingsChange) -> Any:
    """The router's settings with the change. Raises BadRequest where the record does not have what they need."""
    basis, strategy = snapshot.basis, change.strategy or snapshot.basis.strategy
    if strategy != basis.strategy and said.by != "client":
        if strategy not in {*_SCORED, "rule"}:
            raise BadRequest("strategy must be rule, learned, or cascade: another one asks a model", param="strategy")
        if strategy in _SCORED and basis.strategy not in _SCORED:
            raise BadRequest(f"the record has no learned score: the strategy was {basis.strategy}", param="strategy")
        if strategy == "rule" and said.task is None:
            raise BadRequest(f"the record has no task for the rule table: the strategy was {basis.strategy}", param="strategy")
    thresholds = basis.thresholds
    if thresholds is not None:
        given = change.thresholds
        balanced = thresholds.balanced if given.balanced is None else given.balanced
        thresholds = Thresholds(balanced=balanced, deep=thresholds.deep if given.deep is None else given.deep)
        if thresholds.balanced > thresholds.deep:
            raise BadRequest("thresholds.balanced must not be above thresholds.deep", param="thresholds")
    elif change.thresholds != ThresholdChange():
        raise BadRequest(f"the strategy {basis.strategy} has no thresholds", param="thresholds")
    cascade = (basis.cascade or CascadeOptions()) if strategy == "cascade" else None
    return msgspec.structs.replace(basis, strategy=strategy, thresholds=thresholds, cascade=cascade)


def _with_unavailable(plan: StoredPlan, ids: Sequence[str], unavailable: Sequence[str]) -> StoredPlan:
    states = dict(plan.states or {})
    for id in unavailable:
        states[ids.index(id)] = EndpointState(unavailable=UNAVAILABLE)
    return msgspec.structs.replace(plan, how="each", states=states)


class WhatIfPlanner(RecordedPlanner):
    """Orders endpoints by the ranks that they had, if each of them had one, and by the same random numbers."""

    def __init__(self, upstream: Any, inbound: Mapping[str, Inbound], plan: StoredPlan, ids: Sequence[str]) -> None:
        super().__init__(upstream, inbound)
        self._seed = plan.seeds[0] if plan.seeds else 0
        ranked = [ids[position] for position in sorted(plan.order)]
        has_ranks = len(plan.ranks) == 1 and len(plan.ranks[0]) == len(ranked)
        self._known: dict[str, float] = dict(zip(ranked, plan.ranks[0], strict=True)) if has_ranks else {}

    def _order(self, policy: Policy, endpoints: Sequence[Endpoint], request: Request) -> list[Endpoint]:
        known = self._known
        ranks = [known[endpoint.id] for endpoint in endpoints] if all(one.id in known for one in endpoints) else None
        return policy.order(endpoints, request, SeededRandom(self._seed), ranks)
