"""The decision record as people and programs read it: what `POST /v1/route` says of a request, and what then happened to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from octoroute.domain.decision import Decision
from octoroute.domain.endpoint import CHAT_TIERS, OTHER_TIERS, Endpoint, Tier
from octoroute.domain.outcome import Usage
from octoroute.domain.price import MICROS, Price
from octoroute.gateway.decision_record.repetition import Repetition
from octoroute.gateway.decision_record.snapshot import Snapshot
from octoroute.gateway.decision_record.stored import StoredPlan, StoredRecord
from octoroute.gateway.explain import explanation_of, tell
from octoroute.store.base import DIMENSIONS, NANO, AttemptRow, HistoryRow

RECORD_VERSION = 1
_LABELS = tuple(name for name in DIMENSIONS if name != "status")
ROW_COLUMNS = (
    "at", "id", "status", *_LABELS, "stream", "estimated", "total_ms", "first_event_ms", "routing_ms", "queue_ms", "input_tokens",
    "output_tokens", "cached_tokens", "reasoning_tokens", "cost_micros", "attempts",
)  # fmt: skip
"""The fields of `row_view`, in the order of a table."""


def row_view(row: HistoryRow) -> dict[str, Any]:
    """A request in a list. Null: it does not apply, or is not known."""
    labels = row.labels
    return {
        "id": row.id,
        "at": row.at_us / 1e6,
        "status": int(labels.status or 0),
        **{name: getattr(labels, name) or None for name in _LABELS},
        "stream": labels.stream,
        "estimated": labels.estimated,
        "total_ms": _ms(row.total_us),
        "first_event_ms": _ms(row.first_event_us),
        "routing_ms": _ms(row.routing_us),
        "queue_ms": _ms(row.queued_us),
        **_usage_view(row),
        "cost_micros": _micros(row.cost_nusd),
        "attempts": [attempt_view(attempt) for attempt in row.attempts],
    }


def attempt_view(attempt: AttemptRow) -> dict[str, Any]:
    return {
        "endpoint": attempt.endpoint,
        "took_ms": _ms(attempt.took_us),
        "error": attempt.error,
        "rejected": attempt.rejected,
        "input_tokens": attempt.input_tokens,
        "output_tokens": attempt.output_tokens,
        "cost_micros": _micros(attempt.cost_nusd),
    }


def record_view(row: HistoryRow, record: StoredRecord, snapshot: Snapshot, again: Repetition | None = None) -> dict[str, Any]:
    """The whole record. `again`: the decision made a second time; None: it was not."""
    decision = None if record.decision is None else record.decision.decision()
    endpoints = tuple(endpoint.endpoint() for endpoint in snapshot.endpoints)
    explained = None if decision is None else _explained(row, record, decision, endpoints)
    return {
        "version": RECORD_VERSION,
        **row_view(row),
        "request": _request_view(row, record),
        "decision": None if decision is None or explained is None else _decision_view(decision, explained),
        "router": _router_view(decision, snapshot),
        "constraints": _constraints_view(record, decision, snapshot),
        "candidates": [] if explained is None else _candidates_view(row, explained, endpoints),
        "plans": [_plan_view(plan, endpoints) for plan in record.plans],
        "alternatives": alternatives(row, record, endpoints),
        "budget": _budget_view(record),
        "context_changes": list(record.changes),
        "truncation": _truncation_view(record),
        "hint": record.hint,
        "again": None if again is None else {"same": not again.differences, "differences": list(again.differences)},
    }


def _explained(row: HistoryRow, record: StoredRecord, decision: Decision, endpoints: Sequence[Endpoint]) -> dict[str, Any]:
    """As `POST /v1/route` says it."""
    places: dict[str, tuple[Endpoint, str]] = {}
    excluded: dict[str, str] = {}
    for plan in record.plans:
        excluded |= {endpoints[position].id: reason for position, reason in plan.reasons().items()}
        for position in plan.order:
            endpoint = endpoints[position]
            places.setdefault(endpoint.id, (endpoint, _asked(endpoint, row)))
    tier = OTHER_TIERS.get(record.api)
    serving = [endpoint for endpoint in endpoints if (endpoint.tier in CHAT_TIERS if tier is None else endpoint.tier is tier)]
    return tell(explanation_of(decision, tuple(places.values()), excluded, serving))


def _decision_view(decision: Decision, explained: Mapping[str, Any]) -> dict[str, Any]:
    """`endpoint`: the first choice, which need not be the endpoint that answered."""
    told = {name: value for name, value in explained.items() if name not in {"candidates", "then"}}
    return {
        **told,
        "then": decision.then,
        "propensity": decision.propensity,
        "features_hash": decision.features_hash,
        "passed_over": list(decision.passed_over),
    }


def _candidates_view(row: HistoryRow, explained: Mapping[str, Any], endpoints: Sequence[Endpoint]) -> list[dict[str, Any]]:
    usage = _usage(row)
    prices = {endpoint.id: endpoint.price for endpoint in endpoints}
    candidates: list[dict[str, Any]] = explained["candidates"]
    return [{**candidate, "would_cost_micros": _cost(usage, prices[candidate["id"]])} for candidate in candidates]


def _cost(usage: Usage, price: Price | None) -> int | None:
    return None if price is None else usage.cost_micros(price)


def _asked(endpoint: Endpoint, row: HistoryRow) -> str:
    """What became of it, as the rest of a sentence."""
    said = [
        f"; attempt {number}: {_became(attempt)} after {attempt.took_us / 1000:.0f} ms"
        for number, attempt in enumerate(row.attempts, 1)
        if attempt.endpoint == endpoint.id
    ]
    return "".join(said) or "; not asked"


def _became(attempt: AttemptRow) -> str:
    if attempt.error is not None:
        return attempt.error
    return "answered" if attempt.rejected is None else f"answered, and did not pass the check {attempt.rejected!r}"


def _request_view(row: HistoryRow, record: StoredRecord) -> dict[str, Any]:
    facts = record.facts.facts()
    names = ("tokens", "added_tokens", "context_tokens", "output_tokens", "messages", "tools", "images", "json", "attachments")
    return {
        "model": record.model,
        "api": record.api,
        "dialect": row.labels.dialect,
        "stream": record.facts.stream,
        **{name: getattr(facts, name) for name in (*names, "continues", "importance", "task", "quality")},
        "limits_wait": record.facts.limits_wait,
    }


def _router_view(decision: Decision | None, snapshot: Snapshot) -> dict[str, Any]:
    basis = snapshot.basis
    view: dict[str, Any] = {"strategy": basis.strategy}
    if basis.thresholds is not None:
        view["thresholds"] = {"balanced": basis.thresholds.balanced, "deep": basis.thresholds.deep}
    if basis.cascade is not None:
        view["cascade"] = msgspec.to_builtins(basis.cascade)
    if decision is None:
        return view
    routed, affinity = decision.routed or decision, decision.affinity
    if decision.routed is not None:
        view["said"] = {"tier": routed.tier, "strategy": routed.by, "reason": routed.why, "confidence": routed.confidence}
    if routed.task is not None:
        view["task"] = routed.task
    if affinity is not None:
        known = affinity.conversation
        view["affinity"] = {
            "conversation": None
            if known is None
            else {name: getattr(known, name) for name in ("tier", "by", "prefix_tokens", "output_tokens")},
            "stuck": affinity.stuck,
            "draws": list(affinity.draws),
        }
    return view


def _constraints_view(record: StoredRecord, decision: Decision | None, snapshot: Snapshot) -> dict[str, Any]:
    restrictions = record.restrictions
    by_reason: dict[str, set[str]] = {}
    ids = snapshot.ids()
    for plan in record.plans:
        for position, reason in plan.reasons().items():
            by_reason.setdefault(reason, set()).add(ids[position])
    return {
        "excluded": [{"reason": reason, "endpoints": sorted(found)} for reason, found in by_reason.items()],
        "capabilities": sorted(record.facts.facts().needs),
        "max_cost_usd": snapshot.max_cost_usd,
        "provider": record.provider or (None if decision is None else decision.within),
        "only": None if decision is None or decision.only is None else sorted(decision.only),
        "fixed": decision is not None and decision.fixed,
        "restrictions": None if restrictions is None else msgspec.to_builtins(restrictions, order="deterministic"),
    }


def _plan_view(plan: StoredPlan, endpoints: Sequence[Endpoint]) -> dict[str, Any]:
    def by_id(values: Mapping[int, Any] | None) -> dict[str, Any]:
        return {endpoints[position].id: value for position, value in (values or {}).items()}

    view: dict[str, Any] = {"how": plan.how, "order": [endpoints[position].id for position in plan.order]}
    if plan.stage is not None:
        view |= {"tier": plan.stage[0], "then": plan.stage[1]}
    if any(plan.ranks):
        view["ranks"] = [list(ranks) for ranks in plan.ranks]
    if plan.states:
        view["states"] = {
            id: {name: getattr(state, name) for name in state.__struct_fields__} for id, state in by_id(plan.states).items()
        }
    if plan.cuts:
        view["truncated"] = {id: cut for id, cut in by_id(plan.cuts).items() if cut is not None}
    return view


def alternatives(row: HistoryRow, record: StoredRecord, endpoints: Sequence[Endpoint]) -> list[dict[str, Any]]:
    """What the answer's tokens would have cost in each tier: at its first endpoint that has a price; none without an answer."""
    if record.api in OTHER_TIERS:
        return []
    usage = _usage(row)
    found: list[dict[str, Any]] = []
    if not row.input_tokens and not row.output_tokens:
        return found
    for tier in CHAT_TIERS:
        priced = [endpoint for endpoint in endpoints if endpoint.tier is tier and endpoint.price is not None]
        found += [_alternative(tier, endpoint, usage) for endpoint in priced[:1]]
    return found


def _alternative(tier: Tier, endpoint: Endpoint, usage: Usage) -> dict[str, Any]:
    assert endpoint.price is not None
    return {"tier": tier, "endpoint": endpoint.id, "cost_micros": usage.cost_micros(endpoint.price)}


def _budget_view(record: StoredRecord) -> dict[str, Any] | None:
    """`quality`: what the fullest budget left the request, in place of the client's. None: no limit concerned it."""
    budget = record.budget
    if budget is None:
        return None
    return {"quality": budget.quality, "money_left_micros": budget.money_left_micros, "refusal": budget.refusal}


def _truncation_view(record: StoredRecord) -> dict[str, Any] | None:
    if record.truncation is None:
        return None
    original, removed, lowered = record.truncation
    return {"original_tokens": original, "messages_removed": removed, "max_tokens_lowered_to": lowered}


def _usage_view(row: HistoryRow) -> dict[str, Any]:
    return {name: getattr(row, name) for name in ("input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens")}


def _usage(row: HistoryRow) -> Usage:
    return Usage(**_usage_view(row))


def _ms(us: int | None) -> float | None:
    return None if us is None else round(us / 1000, 2)


def _micros(nusd: int | None) -> int | None:
    return None if nusd is None else nusd // (NANO // MICROS)
