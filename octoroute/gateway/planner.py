"""Whom to ask, best first, and why not the others. Health, capabilities, context, and cost are looked at before any policy is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from octoroute.balancing.eligibility import OVER_COST
from octoroute.balancing.health import AT_CAPACITY, AT_MAX_IN_FLIGHT, HealthRegistry
from octoroute.balancing.policies import (
    FALLS_TO,
    Policy,
    Random,
    fits_window,
    ineligible_reason,
    token_budget,
    window_tokens,
)
from octoroute.dialects import ADAPTERS
from octoroute.dialects.base import Inbound
from octoroute.domain.conversation import Conversation
from octoroute.domain.decision import Decision
from octoroute.domain.endpoint import Capability, Endpoint, Tier, failure_domain
from octoroute.domain.request import Facts, Request
from octoroute.errors import BadRequest, ClientError, ContextTooLong, Exhausted, OctorouteError, OverLimit, TooExpensive
from octoroute.gateway.context_window import TruncatedRequest, truncate
from octoroute.gateway.settings import Settings, TierMatch
from octoroute.upstream.client import UpstreamClient

_UNSEEN = TierMatch((), None)


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """`order` is whom to ask, best first; `left_out` says of everybody else who was considered why not."""

    order: list[Endpoint]
    eligible: list[Endpoint]
    """Those that could answer it, now or later."""
    candidates: list[Endpoint]
    excluded: dict[str, str]
    policy: Policy
    truncated: dict[str, TruncatedRequest]
    """By endpoint's id: the request made to fit it."""
    untranslatable: BadRequest | None = None
    """Why nobody who needs a translation can be asked."""


class _Translation:
    """Whether a request can be said in an endpoint's format; read once for all endpoints that need it."""

    __slots__ = ("_inbound", "_read", "_request", "_upstream", "refused")

    def __init__(self, request: Request, inbound: Inbound, upstream: UpstreamClient) -> None:
        self._request = request
        self._inbound = inbound
        self._upstream = upstream
        self._read: Conversation | None = None
        self.refused: BadRequest | None = None
        """The request cannot be said in another format at all."""

    def unsupported(self, endpoint: Endpoint) -> str | None:
        """Why this endpoint's format has no words for the request; None when it has, or is the client's own."""
        request = self._request
        if request.api != "chat" and not self._upstream.serves(endpoint, request.api, stream=request.stream):
            return f"endpoints of kind {endpoint.kind} have no {request.api} interface"
        outbound = self._upstream.outbound(endpoint)
        if outbound.name == request.dialect:
            return None
        interpreter = ADAPTERS.get((request.api, outbound.name))
        if interpreter is not None:
            try:
                return interpreter.unsupported(request)
            except BadRequest as error:
                return error.message
        if self._read is None and self.refused is None:
            try:
                self._read = self._inbound.conversation(self._request, endpoint)
            except BadRequest as error:
                self.refused = error
        if self._read is None:
            return self.refused.message if self.refused else None
        return self._upstream.unsupported(self._read, endpoint)


class Planner:
    def __init__(self, health: HealthRegistry, upstream: UpstreamClient, inbound: Mapping[str, Inbound], random: Random) -> None:
        self._health = health
        self._upstream = upstream
        self._inbound = inbound
        self._random = random

    def plan(self, decision: Decision, request: Request, settings: Settings) -> Plan:
        """Never raises. The first tier that can answer: the decided one, for want of a fit endpoint the next bigger, then smaller.

        A tier whose endpoints are all out of order is passed over only when the tier was our own choice: who asks for `fast`
        gets fast or the truth.
        """
        return self._plan_fast(decision, request, settings) or self.plan_each(decision, request, settings)

    def _plan_fast(self, decision: Decision, request: Request, settings: Settings) -> Plan | None:
        """As nearly always: everybody in the tier can answer the request, and can be asked. None: somebody cannot."""
        if decision.only is not None or decision.within is not None or settings.max_cost_usd is not None or request.api != "chat":
            return None
        facts = request.facts
        key = (decision.tier, request.dialect, facts.tools, facts.images, facts.json)
        fit = settings.tier_matches.get(key, _UNSEEN)
        if fit is _UNSEEN:
            fit = settings.tier_matches[key] = self._fit(decision.tier, request.dialect, facts, settings)
        if fit is None or (fit.window is not None and window_tokens(settings.context.measured(facts)) > fit.window):
            return None
        tokens = token_budget(facts)
        for endpoint in fit.endpoints:
            if self._health.unavailable_reason(endpoint, tokens) is not None:
                return None
        policy = settings.policy if decision.policy is None else settings.policies[decision.policy]
        order = [*fit.endpoints]
        if len(order) > 1:
            order = policy.order(order, request, self._random)
            if len(order) < len(fit.endpoints):
                return None
        return Plan(order=order, eligible=[*fit.endpoints], candidates=[*fit.endpoints], excluded={}, policy=policy, truncated={})

    def _fit(self, tier: Tier, dialect: str, facts: Facts, settings: Settings) -> TierMatch | None:
        """None: not everybody can answer such a request, or nobody is there."""
        pool, needs = settings.tier(tier), facts.needs
        if not pool or any(not needs <= e.capabilities or self._upstream.outbound(e).name != dialect for e in pool):
            return None
        return TierMatch(pool, min((e.context_window for e in pool if e.context_window is not None), default=None))

    def plan_each(self, decision: Decision, request: Request, settings: Settings) -> Plan:
        facts = request.facts
        tokens = token_budget(facts)
        policy = settings.policy if decision.policy is None else settings.policies[decision.policy]
        planned = Plan(order=[], eligible=[], candidates=[], excluded={}, policy=policy, truncated={})
        translation = _Translation(request, self._inbound[request.dialect], self._upstream)
        sized = settings.context.measured(facts)
        for pool in self._pools(decision, facts, settings):
            planned.candidates.extend(pool)
            fit: list[Endpoint] = []
            for endpoint in pool:
                reason = ineligible_reason(endpoint, facts, settings.max_cost_usd, sized=sized) or translation.unsupported(endpoint)
                if reason is None:
                    fit.append(endpoint)
                else:
                    planned.excluded[endpoint.id] = reason
            planned.eligible.extend(fit)
            available = [endpoint for endpoint in fit if self._health.available(endpoint, tokens)]
            if policy.by_provider:
                available = self._without_downed(fit, available, planned)
            order = policy.order(available, request, self._random)
            if len(order) < len(fit):
                for endpoint in fit:
                    if endpoint not in order:
                        planned.excluded.setdefault(
                            endpoint.id, self._health.unavailable_reason(endpoint, tokens) or AT_MAX_IN_FLIGHT
                        )
            planned.order.extend(order)
            if order or (fit and (decision.by == "client" or decision.fixed)):
                break
        if not planned.eligible and settings.context.policy == "truncate":
            self._cut(planned, request, settings, translation)
        return planned if translation.refused is None else msgspec.structs.replace(planned, untranslatable=translation.refused)

    def _cut(self, planned: Plan, request: Request, settings: Settings, translation: _Translation) -> None:
        """Plan with those for whom the request can be made to fit, the largest window first: there the least is lost."""
        sizeless = msgspec.structs.replace(request.facts, context_tokens=0, output_tokens=None)
        made: dict[tuple[int | None, bool], TruncatedRequest | None] = {}
        for endpoint in dict.fromkeys(planned.candidates):
            if ineligible_reason(endpoint, sizeless) is not None or translation.unsupported(endpoint) is not None:
                continue
            signed = self._upstream.outbound(endpoint).verifies_thinking
            shape = (endpoint.context_window, signed)
            if shape not in made:
                made[shape] = truncate(request, endpoint, self._inbound[request.dialect], settings.context, signed=signed)
            cut = made[shape]
            if cut is None or ineligible_reason(endpoint, cut.request.facts, settings.max_cost_usd, sized=sizeless) is not None:
                continue
            planned.truncated[endpoint.id] = cut
            del planned.excluded[endpoint.id]
            planned.eligible.append(endpoint)
        tokens = token_budget(request.facts)
        available = [endpoint for endpoint in planned.eligible if self._health.available(endpoint, tokens)]
        order = planned.policy.order(available, request, self._random)
        planned.order.extend(sorted(order, key=lambda endpoint: -(endpoint.context_window or 0)))
        for endpoint in planned.eligible:
            if endpoint not in order:
                planned.excluded[endpoint.id] = self._health.unavailable_reason(endpoint, tokens) or AT_MAX_IN_FLIGHT

    def _without_downed(self, fit: Sequence[Endpoint], available: Sequence[Endpoint], planned: Plan) -> list[Endpoint]:
        downed = {failure_domain(endpoint) for endpoint in fit if self._health.domain_down(endpoint)}
        for endpoint in available:
            if failure_domain(endpoint) in downed:
                planned.excluded[endpoint.id] = "its provider is out of order"
        return [endpoint for endpoint in available if failure_domain(endpoint) not in downed]

    def _pools(self, decision: Decision, facts: Facts, settings: Settings) -> Sequence[Sequence[Endpoint]]:
        tiers: Sequence[Sequence[Endpoint]] = [settings.tier(tier) for tier in FALLS_TO[decision.tier]]
        if decision.within is not None:
            tiers = [[endpoint for endpoint in pool if endpoint.provider == decision.within] for pool in tiers]
        if decision.only is None:
            return tiers
        named = [endpoint for endpoint in settings.endpoints if endpoint.id in decision.only]
        if facts.images and not decision.fixed and not any(Capability.VISION in endpoint.capabilities for endpoint in named):
            return [named, *tiers]  # an image goes where it can be seen, whatever was named
        return [named]

    def no_endpoint_error(self, planned: Plan, request: Request, settings: Settings) -> OctorouteError:
        """Why nobody can be asked: a fault of the request, a limit of ours, or an endpoint's trouble."""
        if not planned.eligible:
            return _unavailable_error(planned, settings.context.measured(request.facts))
        tokens = token_budget(request.facts)
        retry_after_s = self._health.next_available_s(planned.eligible, tokens)
        if any(
            self._health.unavailable_reason(endpoint, tokens) in AT_CAPACITY - {AT_MAX_IN_FLIGHT} for endpoint in planned.eligible
        ):
            return OverLimit("every provider that could answer is at its limit; try again later", retry_after_s=retry_after_s)
        return Exhausted("no endpoint can be asked now; try again later", retry_after_s=retry_after_s)


def _unavailable_error(planned: Plan, facts: Facts) -> ClientError:
    """Why none of them will do, in the words of the nearest miss."""
    if not planned.candidates:
        return BadRequest("no model that chats is configured; add [[models.balanced]]", param="model")
    able = [endpoint for endpoint in planned.candidates if facts.needs <= endpoint.capabilities]
    if not able:
        missing = ", ".join(sorted(facts.needs))
        return BadRequest(f"no configured endpoint that may answer this request has: {missing}", param="messages")
    windows = [endpoint.context_window or 0 for endpoint in able if not fits_window(endpoint, facts)]
    if len(windows) == len(able):
        return ContextTooLong(facts.context_tokens + (facts.output_tokens or 0), max(windows))
    reason = next(planned.excluded[endpoint.id] for endpoint in able if fits_window(endpoint, facts))
    if reason.startswith(OVER_COST):
        return TooExpensive(f"every endpoint that may answer this request {reason}; send less, or set a smaller max_tokens")
    if planned.untranslatable is not None and planned.untranslatable.message == reason:
        return planned.untranslatable
    return BadRequest(f"no configured endpoint that may answer this request can be asked it: {reason}")
