"""A planner that plans with the availability, ranks, and random numbers of a decision record instead of those of now."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from octoroute.balancing.policies import Policy
from octoroute.dialects.base import Inbound
from octoroute.domain.conversation import Conversation
from octoroute.domain.decision import Decision
from octoroute.domain.endpoint import Endpoint
from octoroute.domain.request import Request
from octoroute.domain.trace import EndpointState, PlanInputs, SeededRandom
from octoroute.errors import BadRequest
from octoroute.gateway.context_window import TruncatedRequest
from octoroute.gateway.decision_record.stored import StoredPlan
from octoroute.gateway.plan import Plan
from octoroute.gateway.planner import Planner
from octoroute.gateway.settings import Settings
from octoroute.gateway.translation import TranslationCheck
from octoroute.gateway.truncations import Truncations
from octoroute.upstream.client import UpstreamClient


class RecordedPlanner(Planner):
    def __init__(self, upstream: UpstreamClient, inbound: Mapping[str, Inbound]) -> None:
        self._asked: Request | None = None
        """The request that is planned."""
        self._seeds: Iterator[int] = iter(())
        self._ranks: Iterator[Sequence[float]] = iter(())
        self._states: Mapping[str, EndpointState] = {}
        self._cuts: Mapping[str, tuple[int, int | None] | None] = {}
        self.inbound = inbound
        super().__init__(RecordedAvailability({}), upstream, inbound, lambda: 0.0)

    def again(
        self, stored: StoredPlan, ids: Sequence[str], decision: Decision, request: Request, settings: Settings, before: Plan | None
    ) -> Plan:
        """`ids`: of all endpoints of the snapshot."""
        self._seeds, self._ranks = iter(stored.seeds), iter(stored.ranks)
        self._states = {ids[position]: state for position, state in (stored.states or {}).items()}
        self._asked = request
        self._cuts = {ids[position]: cut for position, cut in (stored.cuts or {}).items()}
        self._health = RecordedAvailability(self._states)
        self._inputs = PlanInputs(how="each")
        if stored.how == "fast":
            plan = self.plan_fast(decision, request, settings)
            return plan or self.plan_each(decision, request, settings)
        if stored.how == "each" or before is None:
            return self.plan_each(decision, request, settings)
        return self.extend(before, decision, request, settings, suspects_only=stored.how == "suspects")

    def _order(self, policy: Policy, endpoints: Sequence[Endpoint], request: Request) -> list[Endpoint]:
        if not endpoints:
            return []
        return policy.order(endpoints, request, SeededRandom(next(self._seeds, 0)), next(self._ranks, ()))

    def _check(self, request: Request, decoded: Conversation | BadRequest | None) -> TranslationCheck:
        del decoded
        return RecordedTranslation(request, self._states)

    def _cut(self, truncations: Truncations, endpoint: Endpoint) -> TruncatedRequest | None:
        del truncations
        request, cut = self._asked, self._cuts.get(endpoint.id)
        if cut is None or request is None:
            return None
        facts = msgspec.structs.replace(request.facts, context_tokens=cut[0], output_tokens=cut[1])
        return TruncatedRequest(
            request=msgspec.structs.replace(request, facts=facts),
            original_tokens=0,
            messages=0,
            window=endpoint.context_window or 0,
        )


class RecordedAvailability:
    """The availability of endpoints when the plan was made."""

    def __init__(self, states: Mapping[str, EndpointState]) -> None:
        self._states = states
        self.unsure = frozenset[str]()

    def unavailable_reason(self, endpoint: Endpoint, tokens: int = 0) -> str | None:
        del tokens
        return self._of(endpoint).unavailable

    def is_suspect(self, endpoint: Endpoint) -> bool:
        return self._of(endpoint).suspect

    def needs_trial(self, endpoint: Endpoint) -> bool:
        return self._of(endpoint).needs_trial

    def domain_down(self, endpoint: Endpoint) -> bool:
        return self._of(endpoint).domain_down

    def next_available_s(self, endpoints: object, tokens: int = 0) -> float | None:
        del endpoints, tokens
        return None

    def _of(self, endpoint: Endpoint) -> EndpointState:
        return self._states.get(endpoint.id) or EndpointState()


class RecordedTranslation(TranslationCheck):
    __slots__ = ("_states",)

    def __init__(self, request: Request, states: Mapping[str, EndpointState]) -> None:
        self._request = request
        self._states = states
        self._decoded = None

    def unsupported(self, endpoint: Endpoint) -> str | None:
        state = self._states.get(endpoint.id)
        return None if state is None else state.unsupported
