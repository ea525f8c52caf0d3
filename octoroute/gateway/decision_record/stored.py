"""The stored form of a decision record: arrays of numbers and short words. It has no text of a prompt.

What the row of the history holds already (times, tokens, cost, attempts, status) is not repeated here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping

import msgspec

from octoroute.domain.decision import AffinityInputs, Decision
from octoroute.domain.endpoint import Endpoint, Tier
from octoroute.domain.outcome import Outcome
from octoroute.domain.principal import Restrictions
from octoroute.domain.request import CHAT, Task
from octoroute.domain.trace import BudgetUse, DecisionTrace, EndpointState, NumericFacts, PlanTrace
from octoroute.gateway.decision_record.snapshot import encode, snapshot_of
from octoroute.gateway.settings import Settings
from octoroute.store.history import RecordParts

VERSION = 1
MAX_DECISIONS = 500
"""Encoded ones that are remembered."""
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
    """A `PlanTrace`; endpoints are positions in the snapshot."""

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
    """Makes the stored record of each outcome. What many requests share is encoded once: settings, decisions without a score."""

    def __init__(self, dialects: Callable[[Endpoint], tuple[str, ...]]) -> None:
        """`dialects`: those that an endpoint speaks."""
        self._dialects = dialects
        self._settings: object = None
        self._snapshot = b""
        self._index: Mapping[str, int] = {}
        self._decisions: dict[int, tuple[Decision, msgspec.Raw]] = {}
        """By identity; the decision itself is kept, so that no other one gets its identity."""

    def record(self, outcome: Outcome) -> RecordParts | None:
        """None: the request could not be read, or began before there was a history. Called by one thread only."""
        trace = outcome.trace
        if trace is None:
            return None
        if trace.settings is not self._settings:
            assert isinstance(trace.settings, Settings)
            snapshot = snapshot_of(trace.settings, self._dialects)
            self._settings, self._snapshot, self._index = trace.settings, encode(snapshot), snapshot.index()
        decision, index = outcome.decision, self._index
        plans = [_plan(plan, decision, index) for plan in trace.plans]
        record = (VERSION, trace.model, trace.facts, self._decision(decision), plans)
        rest = _rest(outcome, trace)
        return _ENCODER.encode(record if rest is None else record + rest), self._snapshot

    def _decision(self, decision: Decision | None) -> msgspec.Raw | StoredDecision | None:
        if decision is None or decision.features:
            return None if decision is None else _decision(decision)
        known = self._decisions.get(id(decision))
        if known is None:
            if len(self._decisions) >= MAX_DECISIONS:
                self._decisions.clear()
            known = self._decisions[id(decision)] = (decision, msgspec.Raw(_ENCODER.encode(_decision(decision))))
        return known[1]


def _rest(outcome: Outcome, trace: DecisionTrace) -> tuple[object, ...] | None:
    """The fields of a `StoredRecord` after `plans`; None: all have their defaults, as those of most requests."""
    context = outcome.context
    if not (
        trace.api != CHAT
        or trace.provider is not None
        or trace.restrictions is not None
        or trace.budget is not None
        or context is not None
        or outcome.hint is not None
        or outcome.context_changes
    ):
        return None
    cut = None
    if context is not None and (context.messages_removed or context.lowered_to is not None):
        cut = (context.original_tokens, context.messages_removed, context.lowered_to)
    changes = tuple([change.note for change in outcome.context_changes])
    return (trace.api, trace.provider, trace.restrictions, outcome.hint, changes, cut, trace.budget)


def _plan(plan: PlanTrace, decision: Decision | None, index: Mapping[str, int]) -> StoredPlan | tuple[object, ...]:
    inputs, planned, facts = plan
    order = tuple([index[endpoint.id] for endpoint in inputs.order])
    if inputs.how == "fast" and planned is decision and facts is None and not inputs.excluded:
        if not inputs.seeds:
            return ("fast", order)
        return ("fast", order, inputs.seeds, inputs.ranks if any(inputs.ranks) else ())
    return StoredPlan(
        inputs.how,
        order,
        inputs.seeds,
        inputs.ranks if any(inputs.ranks) else (),
        _by_reason(inputs.excluded, index) or None,
        {index[id]: state for id, state in inputs.states.items()} or None,
        {index[id]: cut for id, cut in inputs.cuts.items()} or None,
        None if planned is decision else (planned.tier, planned.then, planned.fixed),
        facts,
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
