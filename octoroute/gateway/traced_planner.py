"""A planner that keeps what each of its plans depended on, for the decision record. It plans as any other planner does."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import TypeVar

from octoroute.balancing.policies import Policy
from octoroute.domain.conversation import Conversation
from octoroute.domain.decision import Decision
from octoroute.domain.endpoint import Endpoint
from octoroute.domain.request import Request
from octoroute.domain.trace import EndpointState, PlanInputs, PlanKind, SeededRandom
from octoroute.errors import BadRequest
from octoroute.gateway.context_window import TruncatedRequest
from octoroute.gateway.plan import Availability, Plan
from octoroute.gateway.planner import Planner
from octoroute.gateway.settings import Settings
from octoroute.gateway.translation import TranslationCheck
from octoroute.gateway.truncations import Truncations

T = TypeVar("T")

_SEEDS = 1 << 32


class TracedPlanner(Planner):
    """Its plans have `inputs`. One plan is made without an await, so that the inputs of two requests cannot mix."""

    def _begin(self, how: PlanKind, excluded: Mapping[str, str]) -> PlanInputs:
        self._inputs = PlanInputs(how=how, excluded=excluded)
        return self._inputs

    def plan_each(
        self,
        decision: Decision,
        request: Request,
        settings: Settings,
        decoded: Conversation | BadRequest | None = None,
        truncations: Truncations | None = None,
    ) -> Plan:
        return self._traced("each", lambda: super(TracedPlanner, self).plan_each(decision, request, settings, decoded, truncations))

    def extend(self, plan: Plan, decision: Decision, request: Request, settings: Settings, *, suspects_only: bool = False) -> Plan:
        return self._traced(
            "suspects" if suspects_only else "extended",
            lambda: super(TracedPlanner, self).extend(plan, decision, request, settings, suspects_only=suspects_only),
        )

    def _traced(self, how: PlanKind, make: Callable[[], Plan]) -> Plan:
        health, inputs = self._health, self._begin(how, {})
        self._health = AvailabilityTrace(health, inputs)
        try:
            plan = make()
        finally:
            self._health = health
        inputs.order, inputs.excluded = plan.order, plan.excluded
        return plan

    def _order(self, policy: Policy, endpoints: Sequence[Endpoint], request: Request) -> list[Endpoint]:
        inputs = self._inputs
        if inputs is None or not endpoints:
            return super()._order(policy, endpoints, request)
        seed, ranks = int(self._random() * _SEEDS), policy.ranks(endpoints, request)
        inputs.seeds = (*inputs.seeds, seed)
        inputs.ranks = (*inputs.ranks, ranks)
        return policy.order(endpoints, request, SeededRandom(seed), ranks)

    def _check(self, request: Request, decoded: Conversation | BadRequest | None) -> TranslationCheck:
        check = super()._check(request, decoded)
        return check if self._inputs is None else TranslationTrace(check, self._inputs)

    def _cut(self, truncations: Truncations, endpoint: Endpoint) -> TruncatedRequest | None:
        cut = super()._cut(truncations, endpoint)
        if self._inputs is not None:
            facts = None if cut is None else cut.request.facts
            self._inputs.cuts[endpoint.id] = None if facts is None else (facts.context_tokens, facts.output_tokens)
        return cut


class AvailabilityTrace:
    """Asks the health registry about each endpoint once, and keeps its answers."""

    def __init__(self, health: Availability, inputs: PlanInputs) -> None:
        self._health = health
        self._states = inputs.states
        self._known: dict[tuple[object, str], object] = {}

    @property
    def unsure(self) -> AbstractSet[str]:
        return self._health.unsure

    def unavailable_reason(self, endpoint: Endpoint, tokens: int = 0) -> str | None:
        reason = self._once("unavailable", endpoint, lambda: self._health.unavailable_reason(endpoint, tokens))
        if reason is not None:
            self._state(endpoint).unavailable = reason
        return reason

    def is_suspect(self, endpoint: Endpoint) -> bool:
        if suspect := self._once("suspect", endpoint, lambda: self._health.is_suspect(endpoint)):
            self._state(endpoint).suspect = True
        return suspect

    def needs_trial(self, endpoint: Endpoint) -> bool:
        if needs := self._once("trial", endpoint, lambda: self._health.needs_trial(endpoint)):
            self._state(endpoint).needs_trial = True
        return needs

    def domain_down(self, endpoint: Endpoint) -> bool:
        if down := self._once("domain", endpoint, lambda: self._health.domain_down(endpoint)):
            self._state(endpoint).domain_down = True
        return down

    def next_available_s(self, endpoints: Iterable[Endpoint], tokens: int = 0) -> float | None:
        return self._health.next_available_s(endpoints, tokens)

    def _once(self, what: str, endpoint: Endpoint, ask: Callable[[], T]) -> T:
        """What was said first: a circuit may change its state with the clock while a plan is made."""
        key = (what, endpoint.id)
        if key not in self._known:
            self._known[key] = ask()
        return self._known[key]  # type: ignore[return-value]

    def _state(self, endpoint: Endpoint) -> EndpointState:
        return self._states.setdefault(endpoint.id, EndpointState())


class TranslationTrace(TranslationCheck):
    """Keeps why endpoints' wire formats cannot express the request."""

    __slots__ = ("_check", "_states")

    def __init__(self, check: TranslationCheck, inputs: PlanInputs) -> None:
        self._check = check
        self._states = inputs.states

    @property
    def decoded(self) -> Conversation | BadRequest | None:
        return self._check.decoded

    def unsupported(self, endpoint: Endpoint) -> str | None:
        reason = self._check.unsupported(endpoint)
        if reason is not None:
            self._states.setdefault(endpoint.id, EndpointState()).unsupported = reason
        return reason
