"""How many tokens a request has: asked of the endpoint it would go to where that can count, estimated otherwise.

Never touches the circuit: a server that cannot count may answer very well. What providers report of real requests teaches the
estimate a factor per model.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from math import inf
from typing import Literal, NamedTuple

from octoroute.dialects.anthropic.token_estimate import estimate_tokens
from octoroute.domain.endpoint import Endpoint
from octoroute.domain.outcome import Usage
from octoroute.domain.request import Request
from octoroute.errors import BadRequest, UpstreamAuthError, UpstreamError
from octoroute.gateway.context_window import scaled
from octoroute.gateway.gateway import Gateway
from octoroute.routing.strategies.base import Router

LEARN_FIRST = 20
"""Every request of a model teaches until there are this many; then one in LEARN_EVERY_S does, however many there are."""
LEARN_EVERY_S = 10.0
LEARN_MAX_CHARS = 200_000
"""An estimate costs time by its length: what is learned from need not be long."""
_WEIGHT = 0.1
_FACTORS = (0.5, 2.0)


class TokenCount(NamedTuple):
    tokens: int
    how: Literal["upstream", "estimate"]


class EstimateCalibration:
    """How far off the estimate is, by upstream model: an exponentially weighted mean of reported over estimated."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._factors: dict[str, tuple[float, int]] = {}
        self._wants_at: dict[str, float] = {}

    def factor(self, model: str) -> float:
        return self._factors.get(model, (1.0, 0))[0]

    def wants(self, model: str) -> bool:
        """Whether this model's next report is worth an estimate."""
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
        """`router` must be one that asks nobody. Raises UnknownModel, BadRequest, and Misconfigured."""
        gateway = self._gateway
        settings = gateway.settings.for_explanation(router)
        planned = gateway.planner.plan(await gateway.resolver.resolve(request, settings), request, settings)
        endpoint = next(iter([*planned.order, *planned.eligible, *planned.candidates]), None)
        if endpoint is not None and endpoint in planned.order:
            tokens = await self._asked(request, endpoint)
            if tokens is not None:
                return TokenCount(scaled(tokens, endpoint), "upstream")
        tokens = self._estimated(request, endpoint)
        return TokenCount(tokens if endpoint is None else scaled(tokens, endpoint), "estimate")

    async def _asked(self, request: Request, endpoint: Endpoint) -> int | None:
        """None: it cannot count, or not now. Raises Misconfigured, because an estimate would hide it."""
        upstream = self._gateway.upstream
        outbound = upstream.outbound(endpoint)
        inbound = self._gateway.inbound[request.dialect]
        if not upstream.serves(endpoint, "count_tokens", stream=False):
            return None
        try:
            if outbound.name == request.dialect:
                return await upstream.count_tokens(endpoint, inbound.with_model(request, endpoint.model), request.headers)
            body = upstream.encode_request(inbound.conversation(request, endpoint), endpoint, stream=False)
            return await upstream.count_tokens(endpoint, body, {})
        except (UpstreamAuthError, BadRequest):
            raise
        except UpstreamError:
            return None

    def _estimated(self, request: Request, endpoint: Endpoint | None) -> int:
        factor = self._calibration.factor(endpoint.model) if endpoint else 1.0
        if endpoint is None:
            return max(1, request.facts.context_tokens)
        return estimate_tokens(self._gateway.inbound[request.dialect].conversation(request, endpoint), factor)

    def learn(self, request: Request, endpoint: Endpoint, usage: Usage) -> None:
        """What a real request of this model really had."""
        if usage.estimated or not usage.input_tokens or request.dialect == "routing" or request.api != "chat":
            return
        if request.facts.context_tokens * 4 > LEARN_MAX_CHARS or not self._calibration.wants(endpoint.model):
            return
        try:
            conversation = self._gateway.inbound[request.dialect].conversation(request, endpoint)
        except BadRequest:
            return
        self._calibration.learn(endpoint.model, estimate_tokens(conversation), usage.input_tokens)
