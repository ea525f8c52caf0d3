"""Explains how a request would be routed: the decision, and why each endpoint is in or out. Sends nothing to any endpoint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from octoroute.domain.decision import Decision
from octoroute.domain.endpoint import Endpoint
from octoroute.domain.request import Request
from octoroute.gateway.constraints import resolve_for_explanation
from octoroute.gateway.gateway import Gateway
from octoroute.routing.strategies.base import Router


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    endpoint: Endpoint
    chosen: bool
    reason: str


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    decision: Decision
    candidates: tuple[Candidate, ...]
    """The endpoints of the plan first, in the order in which they would be asked, those of other tiers after the first one's."""


async def explain(gateway: Gateway, router: Router, request: Request) -> Explanation:
    """`router` must not ask a model. Raises UnknownModel, and Forbidden."""
    unrestricted = gateway.settings.for_explanation(router)
    settings, decision = await resolve_for_explanation(gateway.resolver, request, unrestricted)
    serving = unrestricted.serving(request.api)
    if decision.reject is not None:
        return explanation_of(decision, (), {}, serving)
    plan = gateway.planner.plan(decision, request, settings)
    limit = settings.retry.max_attempts or len(plan.order)
    extension: list[Endpoint] = []
    if settings.retry.max_attempts != 1:  # as `Failover.add`
        extended = gateway.planner.extend(plan, decision, request, settings)
        plan, extension = msgspec.structs.replace(extended, order=plan.order), extended.order
    places = [
        *((endpoint, "") for endpoint in plan.order[:limit]),
        *((endpoint, _reserve_reason(endpoint, plan.order)) for endpoint in extension),
        *((endpoint, f"; retry.max_attempts is {limit}: asked only if one before it cannot be") for endpoint in plan.order[limit:]),
    ]
    return explanation_of(decision, places, plan.excluded, serving)


def explanation_of(
    decision: Decision, places: Sequence[tuple[Endpoint, str]], excluded: Mapping[str, str], serving: Sequence[Endpoint]
) -> Explanation:
    """`places`: the endpoints to ask in order, and words about when. `excluded`: reasons by endpoint id.

    `serving`: the endpoints of the request's interface.
    """
    if decision.reject is not None:
        rejected = [Candidate(endpoint=endpoint, chosen=False, reason="the rule rejects it") for endpoint in serving]
        return Explanation(decision=decision, candidates=tuple(rejected))
    chosen = [
        Candidate(
            endpoint=endpoint,
            chosen=True,
            reason=f"choice {position}: priority {endpoint.priority}, weight {endpoint.weight:g}{when}",
        )
        for position, (endpoint, when) in enumerate(places, 1)
    ]
    in_order = {endpoint.id for endpoint, _ in places}
    others = [
        Candidate(endpoint=endpoint, chosen=False, reason=excluded.get(endpoint.id) or _elsewhere(decision, endpoint))
        for endpoint in serving
        if endpoint.id not in in_order
    ]
    return Explanation(decision=decision, candidates=(*chosen, *others))


def _reserve_reason(endpoint: Endpoint, order: Sequence[Endpoint]) -> str:
    if all(endpoint.tier != other.tier for other in order):
        return f"; its tier, {endpoint.tier}, is asked if those before it fail"
    return "; its health check fails: asked last"


def _elsewhere(decision: Decision, endpoint: Endpoint) -> str:
    if decision.only is not None:
        return f"{decision.why} goes elsewhere" if decision.fixed else "another model was named"
    if decision.within is not None and endpoint.provider != decision.within:
        return f"its provider is {endpoint.provider}"
    return f"its tier is {endpoint.tier}"


def tell(explanation: Explanation) -> dict[str, Any]:
    """As JSON, for `/v1/route` and `octoroute route --json`."""
    decision = explanation.decision
    first = next((candidate.endpoint for candidate in explanation.candidates if candidate.chosen), None)
    return {
        "tier": decision.tier,
        "strategy": decision.by,
        "reason": decision.why,
        "rule": decision.rule,
        "rejected": decision.reject,
        "confidence": decision.confidence,
        **({"then": decision.then} if decision.then is not None else {}),
        "features": [{"name": name, "weight": weight} for name, weight in decision.features],
        "endpoint": first.id if first else None,
        "candidates": [
            {
                "id": candidate.endpoint.id,
                "name": candidate.endpoint.name,
                "model": candidate.endpoint.model,
                "tier": candidate.endpoint.tier,
                "chosen": candidate.chosen,
                "reason": candidate.reason,
            }
            for candidate in explanation.candidates
        ],
    }
