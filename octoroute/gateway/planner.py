"""Whom to ask, best first, and why not the others. Health, capabilities, context, and cost are looked at before any policy is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from octoroute.balancing.eligibility import TOO_DEAR
from octoroute.balancing.health import CROWDED, FULL, Health
from octoroute.balancing.policies import FALLS_TO, Asked, Policy, Random, estimated_tokens, fits, size, unfit
from octoroute.dialects import INTERPRETERS
from octoroute.dialects.base import Inbound
from octoroute.domain.conversation import Conversation
from octoroute.domain.decision import Decision
from octoroute.domain.endpoint import Capability, Endpoint, Tier, failure_domain
from octoroute.domain.request import Facts, Request
from octoroute.errors import BadRequest, ClientError, ContextTooLong, Exhausted, OctorouteError, OverLimit, TooExpensive
from octoroute.gateway.context_window import Cut, fitted
from octoroute.gateway.settings import Fit, House
from octoroute.upstream.client import Upstream

SIGNS = "anthropic"
"""The dialect whose servers verify thinking against all that came before it."""
_UNSEEN = Fit((), None)


class Planned(msgspec.Struct, frozen=True, kw_only=True):
    """`order` is whom to ask, best first; `left_out` says of everybody else who was considered why not."""

    order: list[Endpoint]
    fit: list[Endpoint]
    """Those that could answer it, now or later."""
    considered: list[Endpoint]
    left_out: dict[str, str]
    policy: Policy
    cuts: dict[str, Cut]
    """By endpoint's id: the request made to fit it."""
    unreadable: BadRequest | None = None
    """Why nobody who needs a translation can be asked."""


class _Translation:
    """Whether a request can be said in an endpoint's format; read once for all endpoints that need it."""

    __slots__ = ("_inbound", "_read", "_request", "_upstream", "refused")

    def __init__(self, request: Request, inbound: Inbound, upstream: Upstream) -> None:
        self._request = request
        self._inbound = inbound
        self._upstream = upstream
        self._read: Conversation | None = None
        self.refused: BadRequest | None = None
        """The request cannot be said in another format at all."""

    def unsayable(self, endpoint: Endpoint) -> str | None:
        """Why this endpoint's format has no words for the request; None when it has, or is the client's own."""
        request = self._request
        if request.api != "chat" and not self._upstream.serves(endpoint, request.api, stream=request.stream):
            return f"endpoints of kind {endpoint.kind} have no {request.api} interface"
        outbound = self._upstream.outbound(endpoint)
        if outbound.name == request.dialect:
            return None
        interpreter = INTERPRETERS.get((request.api, outbound.name))
        if interpreter is not None:
            try:
                return interpreter.unsayable(request)
            except BadRequest as error:
                return error.message
        if self._read is None and self.refused is None:
            try:
                self._read = self._inbound.conversation(self._request, endpoint)
            except BadRequest as error:
                self.refused = error
        if self._read is None:
            return self.refused.message if self.refused else None
        return outbound.unsayable(self._read, endpoint)


class Planning:
    def __init__(self, health: Health, upstream: Upstream, inbound: Mapping[str, Inbound], random: Random) -> None:
        self._health = health
        self._upstream = upstream
        self._inbound = inbound
        self._random = random

    def candidates(self, decision: Decision, asked: Asked, house: House) -> Planned:
        """Never raises. The first tier that can answer: the decided one, for want of a fit endpoint the next bigger, then smaller.

        A tier whose endpoints are all out of order is passed over only when the tier was our own choice: who asks for `fast`
        gets fast or the truth.
        """
        return self._all_of_a_tier(decision, asked, house) or self.one_by_one(decision, asked, house)

    def _all_of_a_tier(self, decision: Decision, asked: Asked, house: House) -> Planned | None:
        """As nearly always: everybody in the tier can answer the request, and can be asked. None: somebody cannot."""
        request = asked.request
        if decision.only is not None or decision.within is not None or house.max_cost_usd is not None or request.api != "chat":
            return None
        facts = request.facts
        key = (decision.tier, request.dialect, facts.tools, facts.images, facts.json)
        fit = house.fits.get(key, _UNSEEN)
        if fit is _UNSEEN:
            fit = house.fits[key] = self._fit(decision.tier, request.dialect, facts, house)
        if fit is None or (fit.window is not None and size(house.context.measured(facts)) > fit.window):
            return None
        tokens = estimated_tokens(facts)
        for endpoint in fit.endpoints:
            if self._health.unavailable_because(endpoint, tokens) is not None:
                return None
        policy = house.policy if decision.policy is None else house.policies[decision.policy]
        order = [*fit.endpoints]
        if len(order) > 1:
            order = policy.order(order, asked, self._random)
            if len(order) < len(fit.endpoints):
                return None
        return Planned(order=order, fit=[*fit.endpoints], considered=[*fit.endpoints], left_out={}, policy=policy, cuts={})

    def _fit(self, tier: Tier, dialect: str, facts: Facts, house: House) -> Fit | None:
        """None: not everybody can answer such a request, or nobody is there."""
        pool, needs = house.tier(tier), facts.needs
        if not pool or any(not needs <= e.capabilities or self._upstream.outbound(e).name != dialect for e in pool):
            return None
        return Fit(pool, min((e.context_window for e in pool if e.context_window is not None), default=None))

    def one_by_one(self, decision: Decision, asked: Asked, house: House) -> Planned:
        request = asked.request
        facts = request.facts
        tokens = estimated_tokens(facts)
        policy = house.policy if decision.policy is None else house.policies[decision.policy]
        planned = Planned(order=[], fit=[], considered=[], left_out={}, policy=policy, cuts={})
        translation = _Translation(request, self._inbound[request.dialect], self._upstream)
        sized = house.context.measured(facts)
        for pool in self._pools(decision, facts, house):
            planned.considered.extend(pool)
            fit: list[Endpoint] = []
            for endpoint in pool:
                reason = unfit(endpoint, facts, house.max_cost_usd, sized=sized) or translation.unsayable(endpoint)
                if reason is None:
                    fit.append(endpoint)
                else:
                    planned.left_out[endpoint.id] = reason
            planned.fit.extend(fit)
            available = [endpoint for endpoint in fit if self._health.available(endpoint, tokens)]
            if policy.by_provider:
                available = self._without_downed(fit, available, planned)
            order = policy.order(available, asked, self._random)
            if len(order) < len(fit):
                for endpoint in fit:
                    if endpoint not in order:
                        planned.left_out.setdefault(endpoint.id, self._health.unavailable_because(endpoint, tokens) or FULL)
            planned.order.extend(order)
            if order or (fit and (decision.by == "client" or decision.fixed)):
                break
        if not planned.fit and house.context.policy == "truncate":
            self._cut(planned, asked, house, translation)
        return planned if translation.refused is None else msgspec.structs.replace(planned, unreadable=translation.refused)

    def _cut(self, planned: Planned, asked: Asked, house: House, translation: _Translation) -> None:
        """Plan with those for whom the request can be made to fit, the largest window first: there the least is lost."""
        request = asked.request
        sizeless = msgspec.structs.replace(request.facts, context_tokens=0, output_tokens=None)
        made: dict[tuple[int | None, bool], Cut | None] = {}
        for endpoint in dict.fromkeys(planned.considered):
            if unfit(endpoint, sizeless) is not None or translation.unsayable(endpoint) is not None:
                continue
            signed = self._upstream.outbound(endpoint).name == SIGNS
            shape = (endpoint.context_window, signed)
            if shape not in made:
                made[shape] = fitted(request, endpoint, self._inbound[request.dialect], house.context, signed=signed)
            cut = made[shape]
            if cut is None or unfit(endpoint, cut.request.facts, house.max_cost_usd, sized=sizeless) is not None:
                continue
            planned.cuts[endpoint.id] = cut
            del planned.left_out[endpoint.id]
            planned.fit.append(endpoint)
        tokens = estimated_tokens(request.facts)
        available = [endpoint for endpoint in planned.fit if self._health.available(endpoint, tokens)]
        order = planned.policy.order(available, asked, self._random)
        planned.order.extend(sorted(order, key=lambda endpoint: -(endpoint.context_window or 0)))
        for endpoint in planned.fit:
            if endpoint not in order:
                planned.left_out[endpoint.id] = self._health.unavailable_because(endpoint, tokens) or FULL

    def _without_downed(self, fit: Sequence[Endpoint], available: Sequence[Endpoint], planned: Planned) -> list[Endpoint]:
        downed = {failure_domain(endpoint) for endpoint in fit if self._health.down_as_a_whole(endpoint)}
        for endpoint in available:
            if failure_domain(endpoint) in downed:
                planned.left_out[endpoint.id] = "its provider is out of order"
        return [endpoint for endpoint in available if failure_domain(endpoint) not in downed]

    def _pools(self, decision: Decision, facts: Facts, house: House) -> Sequence[Sequence[Endpoint]]:
        tiers: Sequence[Sequence[Endpoint]] = [house.tier(tier) for tier in FALLS_TO[decision.tier]]
        if decision.within is not None:
            tiers = [[endpoint for endpoint in pool if endpoint.provider == decision.within] for pool in tiers]
        if decision.only is None:
            return tiers
        named = [endpoint for endpoint in house.endpoints if endpoint.id in decision.only]
        if facts.images and not decision.fixed and not any(Capability.VISION in endpoint.capabilities for endpoint in named):
            return [named, *tiers]  # an image goes where it can be seen, whatever was named
        return [named]

    def nobody(self, planned: Planned, request: Request, house: House) -> OctorouteError:
        """Why nobody can be asked: a fault of the request, a limit of ours, or an endpoint's trouble."""
        if not planned.fit:
            return _nobody_could(planned, house.context.measured(request.facts))
        tokens = estimated_tokens(request.facts)
        retry_after_s = self._health.next_chance_s(planned.fit, tokens)
        if any(self._health.unavailable_because(endpoint, tokens) in CROWDED - {FULL} for endpoint in planned.fit):
            return OverLimit("every provider that could answer is at its limit; try again later", retry_after_s=retry_after_s)
        return Exhausted("no endpoint can be asked now; try again later", retry_after_s=retry_after_s)


def _nobody_could(planned: Planned, facts: Facts) -> ClientError:
    """Why none of them will do, in the words of the nearest miss."""
    if not planned.considered:
        return BadRequest("no model that chats is configured; add [[models.balanced]]", param="model")
    able = [endpoint for endpoint in planned.considered if facts.needs <= endpoint.capabilities]
    if not able:
        missing = ", ".join(sorted(facts.needs))
        return BadRequest(f"no configured endpoint that may answer this request has: {missing}", param="messages")
    windows = [endpoint.context_window or 0 for endpoint in able if not fits(endpoint, facts)]
    if len(windows) == len(able):
        return ContextTooLong(facts.context_tokens + (facts.output_tokens or 0), max(windows))
    reason = next(planned.left_out[endpoint.id] for endpoint in able if fits(endpoint, facts))
    if reason.startswith(TOO_DEAR):
        return TooExpensive(f"every endpoint that may answer this request {reason}; send less, or set a smaller max_tokens")
    if planned.unreadable is not None and planned.unreadable.message == reason:
        return planned.unreadable
    return BadRequest(f"no configured endpoint that may answer this request can be asked it: {reason}")
