"""The stored form of a decision record: arrays of numbers and short words. It has no text of a prompt.

What the row of the history holds already (times, tokens, cost, attempts, status) is not repeated here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from functools import partial

import msgspec

from octoroute.domain.decision import AffinityInputs, Decision
from octoroute.domain.endpoint import Endpoint, Tier
from octoroute.domain.outcome import Outcome
from octoroute.domain.principal import Restrictions
from octoroute.domain.request import CHAT, Request, Task
from octoroute.domain.trace import BudgetUse, DecisionTrace, EndpointState, NumericFacts, PlanInputs
from octoroute.gateway.decision_record.snapshot import encode, snapshot_of
from octoroute.gateway.settings import Settings
from octoroute.store.history import RecordParts

VERSION = 1
_Features = tuple[tuple[str, int], ...]


class StoredDecision(msgspec.Struct, frozen=True, array_like=True):
    """A `Decision`; the weights of its features are in thousandths."""

    tier: Tier
    by: str
    why: str
    confidence: float | None = None
    features: _Features = ()
    features_hash: str | None = None
    propensity: float | None = None
    then: Tier | None = None
    task: Task | None = None
    rare: Mapping[str, object] | None = None
    """The other fields by name, without those that have their default."""
    routed: StoredDecision | None = None
    affinity: AffinityInputs | None = None

    def decision(self) -> Decision:
        plain = {name: getattr(self, name) for name in _PLAIN}
        features = tuple((name, thousandths / 1000) for name, thousandths in self.features)
        made = msgspec.convert({**plain, **(self.rare or {})}, Decision)
        routed = None if self.routed is None else self.routed.decision()
        return msgspec.structs.replace(made, features=features, routed=routed, affinity=self.affinity)


_PLAIN = ("tier", "by", "why", "confidence", "features_hash", "propensity", "then", "task")
_RARE = ("only", "passed_over", "within", "rule", "policy", "reject", "fixed")
"""Fields of a `Decision` that most have not."""


class StoredPlan(msgspec.Struct, frozen=True, array_like=True):
    """A `PlanInputs`; endpoints are positions in the snapshot."""

    how: str
    order: tuple[int, ...]
    seeds: tuple[int, ...] = ()
    ranks: tuple[tuple[float, ...], ...] = ()
    excluded: Mapping[str, tuple[int, ...]] | None = None
    """By reason."""
    states: Mapping[int, EndpointState] | None = None
    cuts: Mapping[int, tuple[int, int | None] | None] | None = None
    stage: tuple[Tier, Tier | None, bool] | None = None
    """`tier`, `then`, and `fixed` of its decision, where a cascade has changed them. None: those of the decision."""
    facts: NumericFacts | None = None
    """Of the request as `[context]` changed it; None: as it arrived."""

    def reasons(self) -> dict[int, str]:
        """Why endpoints are excluded, by position."""
        return {position: reason for reason, positions in (self.excluded or {}).items() for position in positions}


class StoredRecord(msgspec.Struct, frozen=True, array_like=True):
    version: int
    model: str
    """The model that the client asked for, its first characters."""
    facts: NumericFacts
    decision: StoredDecision | None
    """None: there was an error before."""
    plans: tuple[StoredPlan, ...] = ()
    api: str = CHAT
    provider: str | None = None
    """The provider that the client chose by header."""
    restrictions: Restrictions | None = None
    hint: str | None = None
    changes: tuple[str, ...] = ()
    """What `[context]` changed, in words."""
    truncation: tuple[int, int, int | None] | None = None
    """Original tokens, messages removed, and the lowered output limit; None: the request was not truncated."""
    budget: BudgetUse | None = None


class RecordWriter:
    """Makes the stored record of each outcome. The settings are encoded when they change."""

    def __init__(self, dialects: Callable[[Endpoint], tuple[str, ...]]) -> None:
        """`dialects`: those that an endpoint speaks."""
        self._dialects = dialects
        self._settings: object = None
        self._snapshot = b""
        self._index: Mapping[str, int] = {}

    def source(self, outcome: Outcome, request: Request | None) -> Callable[[], RecordParts] | None:  # noqa: ARG002 - a RecordSource
        """None: the request could not be read, or began before there was a history."""
        return None if outcome.trace is None else partial(self._record, outcome, outcome.trace)

    def _record(self, outcome: Outcome, trace: DecisionTrace) -> RecordParts:
        """Called by one thread only."""
        if trace.settings is not self._settings:
            assert isinstance(trace.settings, Settings)
            snapshot = snapshot_of(trace.settings, self._dialects)
            self._settings, self._snapshot, self._index = trace.settings, encode(snapshot), snapshot.index()
        return _ENCODER.encode(_record(outcome, trace, self._index)), self._snapshot


def _record(outcome: Outcome, trace: DecisionTrace, index: Mapping[str, int]) -> StoredRecord:
    decision, context = outcome.decision, outcome.context
    cut = None
    if context is not None and (context.messages_removed or context.lowered_to is not None):
        cut = (context.original_tokens, context.messages_removed, context.lowered_to)
    return StoredRecord(
        VERSION,
        trace.model,
        trace.facts,
        None if decision is None else _decision(decision),
        tuple([_plan(plan, decision, index) for plan in trace.plans]),
        trace.api,
        trace.provider,
        trace.restrictions,
        outcome.hint,
        tuple([change.note for change in outcome.context_changes]),
        cut,
        trace.budget,
    )


def _plan(plan: PlanInputs, decision: Decision | None, index: Mapping[str, int]) -> StoredPlan:
    planned = plan.decision
    order = tuple([index[endpoint.id] for endpoint in plan.order])
    ranks = plan.ranks if any(plan.ranks) else ()
    if plan.how == "fast" and planned is decision and plan.facts is None and not plan.excluded:
        return StoredPlan("fast", order, plan.seeds, ranks)
    return StoredPlan(
        plan.how,
        order,
        plan.seeds,
        ranks,
        _by_reason(plan.excluded, index) or None,
        {index[id]: state for id, state in plan.states.items()} or None,
        {index[id]: cut for id, cut in plan.cuts.items()} or None,
        None if planned is None or planned is decision else (planned.tier, planned.then, planned.fixed),
        plan.facts,
    )


def _by_reason(excluded: Mapping[str, str], index: Mapping[str, int]) -> dict[str, tuple[int, ...]]:
    positions: defaultdict[str, list[int]] = defaultdict(list)
    for id, reason in excluded.items():
        positions[reason].append(index[id])
    return {reason: tuple(some) for reason, some in positions.items()}


def _decision(decision: Decision) -> StoredDecision:
    rare = None
    if decision.rule or decision.only or decision.within or decision.passed_over:
        fields = {name: getattr(decision, name) for name in _RARE}
        rare = {name: sorted(value) if name == "only" else value for name, value in fields.items() if value}
    return StoredDecision(
        decision.tier,
        decision.by,
        decision.why,
        decision.confidence,
        tuple([(name, round(weight * 1000)) for name, weight in decision.features]),
        decision.features_hash,
        decision.propensity,
        decision.then,
        decision.task,
        rare,
        None if decision.routed is None else _decision(decision.routed),
        decision.affinity,
    )


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(StoredRecord)


def decode(encoded: bytes) -> StoredRecord:
    return _DECODER.decode(encoded)
