"""Plans a request: the endpoints to ask, best first, and why each other endpoint is excluded.

Capabilities, context window, cost, and health are looked at before the load balancing policy orders what is left.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from octoroute.balancing.eligibility import (
    FALLBACK_TIERS,
    ineligible_reason,
    token_budget,
    window_tokens,
)
from octoroute.balancing.health import AT_MAX_IN_FLIGHT
from octoroute.balancing.policies import Policy, Random
from octoroute.dialects.base import Inbound
from octoroute.domain.conversation import Conversation
from octoroute.domain.decision import Decision
from octoroute.domain.endpoint import Capability, Endpoint, failure_domain
from octoroute.domain.request import CHAT, Facts, Request
from octoroute.domain.trace import PlanInputs, PlanKind
from octoroute.errors import BadRequest, OctorouteError
from octoroute.gateway.client_timeout import TIMEOUT_HEADER
from octoroute.gateway.context_window import TruncatedRequest
from octoroute.gateway.plan import PROVIDER_UNAVAILABLE, Availability, Plan, no_endpoint_error
from octoroute.gateway.settings import PoolMatch, PoolShape, Settings
from octoroute.gateway.translation import TranslationCheck
from octoroute.gateway.truncations import Truncations
from octoroute.upstream.client import UpstreamClient


def may_change_tier(decision: Decision, settings: Settings) -> bool:
    """Whether another tier may answer: the router chose the tier, or the client named one and the operator permits it."""
    return not decision.fixed and (decision.by != "client" or (settings.named_tiers_fall_over and decision.only is None))


class Planner:
    def __init__(self, health: Availability, upstream: UpstreamClient, inbound: Mapping[str, Inbound], random: Random) -> None:
        self._health = health
        self._upstream = upstream
        self._inbound = inbound
        self._random = random
        self._inputs: PlanInputs | None = None
        """Of the plan that is being made; None: they are not kept."""

    def plan(self, decision: Decision, request: Request, settings: Settings, earlier: Plan | None = None) -> Plan:
        """Plan with the first tier that can answer: the decided one, else the next bigger, then smaller ones. Never raises.

        A tier whose endpoints are all unavailable is skipped only if the router chose it: a client that asks for `fast` gets an
        answer of that tier or an error. `earlier`: another plan for `request`, whose work need not be done again.
        """
        done = (None, None) if earlier is None else (earlier.decoded, earlier.truncations)
        return self.plan_fast(decision, request, settings) or self.plan_each(decision, request, settings, *done)

    def plan_fast(self, decision: Decision, request: Request, settings: Settings) -> Plan | None:
        """The common case: every endpoint that the decision permits can answer the request and is available.

        None: plan each endpoint. What does not depend on health or size is determined once for all requests of a shape.
        """
        if settings.max_cost_usd is not None or request.api != CHAT:
            return None
        facts = request.facts
        shape: PoolShape = (
            *(decision.tier, decision.only, decision.within, decision.policy),
            *(request.dialect, facts.tools, facts.images, facts.json),
        )
        matches = settings.pool_matches
        if shape not in matches:
            matches[shape] = self._match(decision, request, settings)
        match = matches[shape]
        if match is None or (match.window is not None and window_tokens(settings.context.measured(facts)) > match.window):
            return None
        endpoints, policy = match.endpoints, match.policy
        tokens = token_budget(facts)
        unsure = self._health.unsure
        for endpoint in endpoints:
            if (unsure and endpoint.id in unsure) or self._health.unavailable_reason(endpoint, tokens) is not None:
                return None
        order, inputs, excluded = endpoints, match.inputs, settings.excluded
        if len(endpoints) > 1:
            inputs = self._begin("fast", excluded)
            order = self._order(policy, endpoints, request)
            if len(order) < len(endpoints):
                return None
            if inputs is not None:
                inputs.order = order
        return Plan(order=order, eligible=endpoints, candidates=endpoints, excluded=excluded, policy=policy, inputs=inputs)

    def _begin(self, how: PlanKind, excluded: Mapping[str, str]) -> PlanInputs | None:  # noqa: ARG002 - for the traced planner
        """What the plan that is made now will depend on; None: it is not kept."""
        return None

    def _order(self, policy: Policy, endpoints: Sequence[Endpoint], request: Request) -> list[Endpoint]:
        return policy.order(endpoints, request, self._random)

    def _check(self, request: Request, decoded: Conversation | BadRequest | None) -> TranslationCheck:
        return TranslationCheck(request, self._inbound[request.dialect], self._upstream, decoded)

    def _match(self, decision: Decision, request: Request, settings: Settings) -> PoolMatch | None:
        """None: there is no endpoint, or one of them cannot answer such a request as it is."""
        facts, policy = request.facts, self._policy(decision, settings)
        pool = list(self.pools(decision, facts, settings)[0])
        if not pool or any(
            not facts.needs <= endpoint.capabilities or request.dialect not in self._upstream.dialects(endpoint)
            for endpoint in pool
        ):
            return None
        windows = (endpoint.context_window for endpoint in pool if endpoint.context_window is not None)
        inputs = self._begin("fast", settings.excluded)
        if inputs is not None:
            inputs.order = pool
        return PoolMatch(pool, min(windows, default=None), policy, inputs)

    def _policy(self, decision: Decision, settings: Settings) -> Policy:
        return settings.policy if decision.policy is None else settings.policies[decision.policy]

    def truncations(self, request: Request, settings: Settings) -> Truncations:
        return Truncations(request, self._inbound[request.dialect], self._upstream, settings.context)

    def plan_each(
        self,
        decision: Decision,
        request: Request,
        settings: Settings,
        decoded: Conversation | BadRequest | None = None,
        truncations: Truncations | None = None,
    ) -> Plan:
        """As `plan`, looking at each endpoint on its own."""
        policy = self._policy(decision, settings)
        plan = Plan(policy=policy, inputs=self._inputs, excluded={**settings.excluded})
        translation = self._check(request, decoded)
        for pool in self.pools(decision, request.facts, settings):
            order, has_eligible = self._plan_pool(pool, plan, request, settings, translation)
            plan.order.extend(order)
            if order or (has_eligible and not may_change_tier(decision, settings)):
                break
        if not plan.order and plan.reserve:
            plan.order.extend(self._order(policy, plan.reserve, request))
            plan.reserve.clear()
        if not plan.eligible and settings.context.shortens:
            plan = msgspec.structs.replace(plan, truncations=truncations or self.truncations(request, settings))
            self._plan_truncated(plan, request, settings, translation)
        return plan if translation.decoded is None else msgspec.structs.replace(plan, decoded=translation.decoded)

    def extend(self, plan: Plan, decision: Decision, request: Request, settings: Settings, *, suspects_only: bool = False) -> Plan:
        """`plan` with the endpoints to ask after those of its order: of the tiers that it has not considered, then suspect ones.

        At most `retry.max_attempts` of a tier. Its order is empty if there are none.
        """
        extended = msgspec.structs.replace(plan.extensible(), inputs=self._inputs)
        if may_change_tier(decision, settings) and not suspects_only:
            considered = {endpoint.id for endpoint in plan.candidates}
            translation = self._check(request, plan.decoded)
            for pool in self.pools(decision, request.facts, settings):
                if not considered.isdisjoint(endpoint.id for endpoint in pool):
                    continue
                order, _ = self._plan_pool(pool, extended, request, settings, translation)
                extended.order.extend(order[: settings.retry.max_attempts or len(order)])
            if translation.decoded is not None:
                extended = msgspec.structs.replace(extended, decoded=translation.decoded)
        suspects = [*plan.reserve, *extended.reserve]
        extended.order.extend(self._order(plan.policy, suspects, request) if suspects else ())
        extended.reserve.clear()
        return extended

    def _plan_pool(
        self, pool: Sequence[Endpoint], plan: Plan, request: Request, settings: Settings, translation: TranslationCheck
    ) -> tuple[list[Endpoint], bool]:
        """The endpoints of one tier to ask, best first, and whether any can answer the request; the others go into `plan`."""
        facts, policy = request.facts, plan.policy
        tokens, sized = token_budget(facts), settings.context.measured(facts)
        plan.candidates.extend(pool)
        eligible: list[Endpoint] = []
        for endpoint in pool:
            reason = ineligible_reason(endpoint, facts, settings.max_cost_usd, sized=sized) or translation.unsupported(endpoint)
            if reason is None:
                eligible.append(endpoint)
            else:
                plan.excluded[endpoint.id] = reason
        plan.eligible.extend(eligible)
        available = [endpoint for endpoint in eligible if self._health.unavailable_reason(endpoint, tokens) is None]
        if policy.by_provider:
            available = self._without_downed(eligible, available, plan)
        trusted = [endpoint for endpoint in available if not self._health.is_suspect(endpoint)]
        order = self._order(policy, trusted, request)
        if len(order) < len(eligible):
            self._exclude_unavailable(eligible, [*order, *available], plan, tokens)
        plan.reserve.extend(endpoint for endpoint in available if endpoint not in trusted)
        return self._with_one_trial(order, request), bool(eligible)

    def _with_one_trial(self, order: list[Endpoint], request: Request) -> list[Endpoint]:
        """At most one half-open endpoint before the others, and none for a client that limits how long it waits."""
        trials = [endpoint for endpoint in order if self._health.needs_trial(endpoint)]
        if not trials or len(trials) == len(order):
            return order
        late = trials if TIMEOUT_HEADER in request.headers else trials[1:]
        return [*(endpoint for endpoint in order if endpoint not in late), *late]

    def _plan_truncated(self, plan: Plan, request: Request, settings: Settings, translation: TranslationCheck) -> None:
        """Plan with the endpoints that the request can be truncated for, the largest window first: it loses the least there."""
        sizeless = msgspec.structs.replace(request.facts, context_tokens=0, output_tokens=None)
        for endpoint in dict.fromkeys(plan.candidates):
            if ineligible_reason(endpoint, sizeless) is not None or translation.unsupported(endpoint) is not None:
                continue
            cut = self._cut(plan.truncations, endpoint) if plan.truncations is not None else None
            if cut is None or ineligible_reason(endpoint, cut.request.facts, settings.max_cost_usd, sized=sizeless) is not None:
                continue
            plan.truncated[endpoint.id] = cut
            del plan.excluded[endpoint.id]
            plan.eligible.append(endpoint)
        tokens = token_budget(request.facts)
        available = [endpoint for endpoint in plan.eligible if self._health.unavailable_reason(endpoint, tokens) is None]
        order = self._order(plan.policy, available, request)
        plan.order.extend(sorted(order, key=lambda endpoint: -(endpoint.context_window or 0)))
        self._exclude_unavailable(plan.eligible, order, plan, tokens)

    def _cut(self, truncations: Truncations, endpoint: Endpoint) -> TruncatedRequest | None:
        return truncations.form_for(endpoint)

    def _exclude_unavailable(self, eligible: Sequence[Endpoint], order: Sequence[Endpoint], plan: Plan, tokens: int) -> None:
        """An endpoint that the policy dropped although it is available is at its limit of requests in flight."""
        for endpoint in eligible:
            if endpoint not in order:
                reason = self._health.unavailable_reason(endpoint, tokens) or AT_MAX_IN_FLIGHT
                plan.excluded.setdefault(endpoint.id, reason)

    def _without_downed(self, eligible: Sequence[Endpoint], available: Sequence[Endpoint], plan: Plan) -> list[Endpoint]:
        downed = {failure_domain(endpoint) for endpoint in eligible if self._health.domain_down(endpoint)}
        for endpoint in available:
            if failure_domain(endpoint) in downed:
                plan.excluded[endpoint.id] = PROVIDER_UNAVAILABLE
        return [endpoint for endpoint in available if failure_domain(endpoint) not in downed]

    def pools(self, decision: Decision, facts: Facts, settings: Settings) -> Sequence[Sequence[Endpoint]]:
        """The endpoints that may answer, tier by tier in the order in which they are considered."""
        tiers: Sequence[Sequence[Endpoint]] = [settings.tier(tier) for tier in FALLBACK_TIERS[decision.tier]]
        if decision.within is not None:
            tiers = [[endpoint for endpoint in pool if endpoint.provider == decision.within] for pool in tiers]
        if decision.only is None:
            return tiers
        named = [endpoint for endpoint in settings.endpoints if endpoint.id in decision.only]
        if facts.images and not decision.fixed and not any(Capability.VISION in endpoint.capabilities for endpoint in named):
            return [named, *tiers]  # an image goes to a model that can see it, whatever model was named
        return [named]

    def no_endpoint_error(self, plan: Plan, request: Request, settings: Settings) -> OctorouteError:
        return no_endpoint_error(self._health, plan, token_budget(request.facts), settings.context.measured(request.facts))
