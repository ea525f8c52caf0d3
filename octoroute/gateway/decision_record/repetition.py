"""Makes a decision again from its record, by the gateway's own code, and compares the results.

The random numbers, what the balancing policy knew, the availability of endpoints, the memory of the conversation, the score, and a
routing model's answer come from the record. All else is worked out again: what the client's model means, the tier by the thresholds
or the rule table, session affinity, eligibility, fallback to other tiers, and the order of the endpoints.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

import msgspec

from octoroute.balancing.policies import ORDERS, POLICIES, Policy, PolicyInputs
from octoroute.balancing.retry import RetryPolicy
from octoroute.dialects.base import Inbound
from octoroute.domain.decision import AffinityInputs, ConversationState, Decision
from octoroute.domain.endpoint import Endpoint, Tier
from octoroute.domain.request import PROVIDER_HEADER, TIMEOUT_HEADER, Facts, Request
from octoroute.gateway.constraints import resolve_within
from octoroute.gateway.decision_record.recorded_planner import RecordedPlanner
from octoroute.gateway.decision_record.snapshot import Snapshot
from octoroute.gateway.decision_record.stored import StoredRecord
from octoroute.gateway.plan import Plan
from octoroute.gateway.resolver import Resolver
from octoroute.gateway.settings import Settings
from octoroute.routing.affinity import SessionAffinity
from octoroute.routing.aliases import Aliases
from octoroute.routing.cache_economics import ConversationMemory
from octoroute.routing.difficulty.model import FORMAT, Model, Provenance, Scorer
from octoroute.routing.rules import Rule
from octoroute.routing.strategies import RouterSettings
from octoroute.routing.strategies.cascade import CascadeRouter
from octoroute.routing.strategies.learned import LearnedRouter
from octoroute.routing.strategies.rule import RuleRouter, decide
from octoroute.upstream.client import UpstreamClient


class Repetition(msgspec.Struct, frozen=True, kw_only=True):
    decision: Decision | None
    """None: it could not be made again."""
    orders: tuple[tuple[str, ...], ...]
    """For each plan, the ids of the endpoints to ask, best first."""
    differences: tuple[str, ...]
    """Where the second decision is another one, in words; empty: it is the same, bit for bit."""


async def repeat(record: StoredRecord, snapshot: Snapshot, inbound: Mapping[str, Inbound], dialect: str) -> Repetition:
    """`inbound`: the chat interfaces, by dialect; `dialect`: that of the request."""
    if record.decision is None:
        return Repetition(decision=None, orders=(), differences=())
    recorded = record.decision.decision()
    planner = RecordedPlanner(dialects_of(snapshot), inbound)
    try:
        decision, request, settings = await decide_again(record, recorded, snapshot, planner, dialect, _NOTHING)
        plans = _plans(record, snapshot.ids(), decision, request, settings, planner)
    except Exception as error:  # noqa: BLE001 - a record of another version must not keep an operator from reading the rest
        return Repetition(decision=None, orders=(), differences=(f"it cannot be made again: {error!r}",))
    orders = tuple(tuple(endpoint.id for endpoint in plan.order) for plan in plans)
    differences = [*_decision_differences(recorded, decision), *_plan_differences(record, snapshot, plans)]
    return Repetition(decision=decision, orders=orders, differences=tuple(differences))


async def decide_again(
    record: StoredRecord, recorded: Decision, snapshot: Snapshot, planner: RecordedPlanner, dialect: str, inputs: PolicyInputs
) -> tuple[Decision, Request, Settings]:
    """The decision, and what to plan it with. `recorded`: that of the record; `inputs`: of policies whose ranks are not on record.

    Raises OctorouteError as the request's own resolution.
    """
    endpoints = tuple(endpoint.endpoint() for endpoint in snapshot.endpoints)
    request = _request(record, dialect)
    settings = _settings(recorded, snapshot, endpoints, inputs)
    resolver = Resolver(planner, dialects_of(snapshot), planner.inbound)
    if record.restrictions is None:
        return await resolver.resolve(request, settings), request, settings
    within = settings.restricted(record.restrictions)
    return await resolve_within(resolver, request, within, settings), request, within


def _decision_differences(recorded: Decision, decision: Decision) -> Iterator[str]:
    for name in Decision.__struct_fields__:
        if name in {"routed", "affinity", "task", "passed_over"}:
            continue  # what was known, not what was decided
        was, now = getattr(recorded, name), getattr(decision, name)
        if was != now:
            yield f"{name}: {was!r} was decided, {now!r} the second time"


def _plan_differences(record: StoredRecord, snapshot: Snapshot, plans: Sequence[Plan]) -> Iterator[str]:
    ids = snapshot.ids()
    for number, (stored, plan) in enumerate(zip(record.plans, plans, strict=True), 1):
        was, now = [ids[position] for position in stored.order], [endpoint.id for endpoint in plan.order]
        if was != now:
            yield f"plan {number}: {was} was planned, {now} the second time"
        excluded = {ids[position]: reason for position, reason in stored.reasons().items()}
        if excluded != plan.excluded:
            yield f"plan {number}: {excluded} were excluded, {plan.excluded} the second time"


def _request(record: StoredRecord, dialect: str) -> Request:
    headers = {PROVIDER_HEADER: record.provider} if record.provider is not None else {}
    if record.facts.limits_wait:
        headers[TIMEOUT_HEADER] = ""
    return Request(
        id="-",
        dialect=dialect,
        model=record.model,
        stream=record.facts.stream,
        body=None,
        facts=record.facts.facts(),
        headers=headers,
        api=record.api,
    )


def _settings(recorded: Decision, snapshot: Snapshot, endpoints: tuple[Endpoint, ...], known: PolicyInputs) -> Settings:
    basis = snapshot.basis
    inputs = recorded.affinity or AffinityInputs()
    affinity = None
    if basis.sticky is not None:
        draws = iter(inputs.draws)
        affinity = RecordedAffinity(
            sticky=basis.sticky,
            explore=basis.explore,
            endpoints=[endpoint for endpoint in endpoints if endpoint.tier in {Tier.FAST, Tier.BALANCED, Tier.DEEP}],
            conversations=ConversationMemory(lambda: 0.0),
            random=lambda: next(draws),
        )
        affinity.inputs = inputs
    names = {basis.policy} if recorded.policy is None else {basis.policy, recorded.policy}
    policies = {name: _policy(name, known) for name in names}
    return Settings(
        endpoints=endpoints,
        router=RecordedRouter(snapshot, recorded.routed or recorded),
        aliases=Aliases(snapshot.aliases),
        default_importance=snapshot.default_importance,
        retry=RetryPolicy(max_attempts=snapshot.max_attempts),
        policy=policies[basis.policy],
        policies=policies,
        max_cost_usd=snapshot.max_cost_usd,
        named_tiers_fall_over=snapshot.named_tiers_fall_over,
        rules=tuple(_rules(recorded, snapshot)),
        allow_provider_prefix=snapshot.allow_provider_prefix,
        context=snapshot.context,
        privacy_classes=snapshot.privacy_classes,
        affinity=affinity,
    )


def _rules(recorded: Decision, snapshot: Snapshot) -> Iterator[Rule]:
    """The rule that matched: that the rules before it did not, and that its target was available, is on record."""
    for fields in snapshot.rules:
        if recorded.rule is not None and fields.get("name") == recorded.rule:
            yield msgspec.convert({**fields, "fall_through": False, "key": None}, Rule)


def _policy(name: str, inputs: PolicyInputs) -> Policy:
    order = name.removeprefix("order ")
    return (POLICIES[name] if order == name else ORDERS[order])(inputs)


def _nothing(_: object) -> Any:
    """What a policy asks for is in the record, as ranks."""
    raise AssertionError


_NOTHING = PolicyInputs(clock=lambda: 0.0, in_flight=_nothing, user_of=_nothing, conversation_of=_nothing)


class RecordedRouter:
    """Decides by the recorded score, task, or answer of the routing model."""

    def __init__(self, snapshot: Snapshot, said: Decision) -> None:
        self._basis = snapshot.basis
        self._said = said

    async def route(self, facts: Facts) -> Decision:
        basis, said = self._basis, self._said
        if basis.strategy in {"learned", "cascade"} and basis.thresholds is not None:
            return self._by_score(facts)
        if said.task is None:
            return said  # a routing model's answer, or its failure
        if basis.strategy == "rule":
            default = RuleRouter(RouterSettings(default_tier=basis.default_tier))
            return await default.route(msgspec.structs.replace(facts, task=said.task))
        return decide(facts, said.task) or said

    def _by_score(self, facts: Facts) -> Decision:
        basis, said = self._basis, self._said
        assert basis.thresholds is not None
        origin = Provenance(made_by="", octoroute="", seed=0, data=[])
        scorer = Scorer(Model(format=FORMAT, provenance=origin, heads={}, percentiles=list(basis.percentiles)))
        learned = LearnedRouter(scorer, basis.thresholds, basis.default_tier)
        decision = learned.decide_by_score(said.confidence, facts, facts.quality, said.features, said.features_hash)
        return decision if basis.cascade is None else CascadeRouter(learned, basis.cascade).decide_first(decision, facts)


class RecordedAffinity(SessionAffinity):
    """Knows of the conversation what was known when the decision was made."""

    inputs: AffinityInputs = AffinityInputs()

    def _conversation(self, request: Request) -> ConversationState | None:  # noqa: ARG002
        return self.inputs.conversation

    def _is_stuck(self, request: Request) -> bool:  # noqa: ARG002
        return self.inputs.stuck


def _plans(
    record: StoredRecord,
    ids: Sequence[str],
    decision: Decision,
    request: Request,
    settings: Settings,
    planner: RecordedPlanner,
) -> list[Plan]:
    plans: list[Plan] = []
    for stored in record.plans:
        planned = decision
        if stored.stage is not None:
            tier, then, fixed = stored.stage
            planned = msgspec.structs.replace(decision, tier=tier, then=then, fixed=fixed)
        wanted = request if stored.facts is None else msgspec.structs.replace(request, facts=stored.facts.facts())
        plans.append(planner.again(stored, ids, planned, wanted, settings, plans[-1] if plans else None))
    return plans


def dialects_of(snapshot: Snapshot) -> UpstreamClient:
    """What a decision needs of an upstream client, and nothing else."""
    return cast("UpstreamClient", _Dialects(snapshot))


class _Dialects:
    """The part of an `UpstreamClient` that a decision depends on."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._dialects = {endpoint.id: endpoint.dialects for endpoint in snapshot.endpoints}

    def dialects(self, endpoint: Endpoint) -> Sequence[str]:
        return self._dialects[endpoint.id]
