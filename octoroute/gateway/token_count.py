"""Counts the tokens of a request: by the endpoint it would go to if that can count, otherwise by an estimate.

A failed count does not touch the endpoint's circuit, because a server that cannot count may well answer. The usage that
providers report for real requests calibrates the estimate per model.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from math import inf
from typing import Literal, NamedTuple

from octoroute.dialects.anthropic.token_estimate import estimate_tokens
from octoroute.dialects.internal import InternalInbound
from octoroute.domain.conversation import Conversation
from octoroute.domain.endpoint import Endpoint
from octoroute.domain.outcome import Outcome
from octoroute.domain.request import CHAT, Request
from octoroute.errors import BadRequest, UpstreamAuthError, UpstreamError
from octoroute.gateway.constraints import resolve_for_explanation
from octoroute.gateway.context_window import scaled
from octoroute.gateway.gateway import Gateway
from octoroute.gateway.offload import is_large_body, is_large_translation, off_loop
from octoroute.gateway.plan import Plan
from octoroute.gateway.translation import decode
from octoroute.routing.strategies.base import Router

LEARN_FIRST = 20
"""So many first requests of a model all calibrate its estimate; after that one request every LEARN_EVERY_S does."""
LEARN_EVERY_S = 10.0
LEARN_MAX_CHARS = 200_000
LEARN_MAX_MESSAGES = 1_000
"""Longer prompts do not calibrate: estimating takes time in proportion to the length."""
_WEIGHT = 0.1
"""Of the newest report in the exponentially weighted mean."""
_FACTORS = (0.5, 2.0)
"""Lowest and highest factor."""


class TokenCount(NamedTuple):
    tokens: int
    how: Literal["upstream", "estimate"]


class EstimateCalibration:
    """The factor between reported and estimated tokens by upstream model, as an exponentially weighted mean."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._factors: dict[str, tuple[float, int]] = {}
        self._wants_at: dict[str, float] = {}

    def factor(self, model: str) -> float:
        return self._factors.get(model, (1.0, 0))[0]

    def wants(self, model: str) -> bool:
        """Whether the next report for this model should calibrate."""
        return self._clock() >= self._wants_at.get(model, -inf)

    def learn(self, model: str, estimated: int, reported: int) -> None:
        factor, seen = self._factors.get(model, (1.0, 0))
        low, high = _FACTORS
        ratio = min(high, max(low, reported / max(1, estimated)))
        weight = max(_WEIGHT, 1 / (seen + 1))
        self._factors[model] = (factor + weight * (ratio - factor), seen + 1)
        if seen + 1 >= LEARN_FIRST:
            self._wants_at[model] = self._clock() + LEARN_EVERY_S


class TokenCounter:
    def __init__(self, gateway: Gateway, calibration: EstimateCalibration) -> None:
        self._gateway = gateway
        self._calibration = calibration

    async def count(self, request: Request, router: Router) -> TokenCount:
        """`router` must not ask a model. Raises UnknownModel, Forbidden, BadRequest, and UpstreamAuthError."""
        gateway = self._gateway
        settings, decision = await resolve_for_explanation(gateway.resolver, request, gateway.settings.for_explanation(router))
        plan = gateway.planner.plan(decision, request, settings)
        endpoint = next(iter([*plan.order, *plan.eligible, *plan.candidates]), None)
        if endpoint is None:
            return TokenCount(max(1, request.facts.context_tokens), "estimate")
        if endpoint in plan.order:
            tokens = await self._count_upstream(request, endpoint, plan)
            if tokens is not None:
                return TokenCount(scaled(tokens, endpoint), "upstream")
        estimate = partial(self._estimate, request, endpoint, plan)
        tokens = await off_loop(estimate) if is_large_translation(request) else estimate()
        return TokenCount(scaled(tokens, endpoint), "estimate")

    def _estimate(self, request: Request, endpoint: Endpoint, plan: Plan) -> int:
        return estimate_tokens(self._conversation(request, endpoint, plan), self._calibration.factor(endpoint.model))

    async def _count_upstream(self, request: Request, endpoint: Endpoint, plan: Plan) -> int | None:
        """None: the endpoint cannot count, or not now. Raises UpstreamAuthError, because an estimate would hide it."""
        upstream = self._gateway.upstream
        outbound = upstream.outbound(endpoint, request)
        if not upstream.serves(endpoint, "count_tokens", stream=False):
            return None
        try:
            if outbound.name == request.dialect:
                body = self._gateway.inbound[request.dialect].with_model(request, endpoint.model)
                return await upstream.count_tokens(endpoint, body, request.headers)
            encode = partial(self._encoded, request, endpoint, plan)
            body = await off_loop(encode) if is_large_translation(request) else encode()
            return await upstream.count_tokens(endpoint, body, {})
        except (UpstreamAuthError, BadRequest):
            raise
        except UpstreamError:
            return None

    def _encoded(self, request: Request, endpoint: Endpoint, plan: Plan) -> bytes:
        return self._gateway.upstream.encode_request(self._conversation(request, endpoint, plan), endpoint, stream=False)

    def _conversation(self, request: Request, endpoint: Endpoint, plan: Plan) -> Conversation:
        return plan.conversation or decode(self._gateway.inbound[request.dialect], request, endpoint)

    def on_outcome(self, outcome: Outcome, request: Request | None) -> None:
        """Corrects the estimate for the endpoint's model by the prompt tokens that the provider reported."""
        endpoint, usage = outcome.endpoint, outcome.usage
        if request is None or endpoint is None or usage is None or usage.estimated or not usage.input_tokens:
            return
        if not self._calibration.wants(endpoint.model) or request.dialect == InternalInbound.name or request.api != CHAT:
            return
        if request.facts.context_tokens * 4 > LEARN_MAX_CHARS or request.facts.messages > LEARN_MAX_MESSAGES:
            return
        if is_large_body(request):
            return
        try:
            conversation = decode(self._gateway.inbound[request.dialect], request, endpoint)
        except BadRequest:
            return
        self._calibration.learn(endpoint.model, estimate_tokens(conversation), usage.input_tokens)
