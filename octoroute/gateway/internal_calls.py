"""The gateway's own requests: questions of a router or of the shadow worker to a tier, and checks of one endpoint.

They take the path of every request. They count as work of an endpoint, and not in the statistics of requests.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from octoroute.dialects.internal import InternalInbound
from octoroute.domain.conversation import AnswerFormat, Conversation, Role, Text, ThinkingWish, Turn
from octoroute.domain.decision import Decision
from octoroute.domain.endpoint import PASSED_TIERS, Endpoint, Tier
from octoroute.domain.outcome import Usage
from octoroute.domain.request import Facts, Request
from octoroute.errors import OctorouteError, TooSlow, UpstreamRejected
from octoroute.gateway.lifecycle import RequestLifecycle, ending_of
from octoroute.gateway.relay import Reply

if TYPE_CHECKING:
    from octoroute.gateway.gateway import Gateway

CHECK_PROMPT = "Hello"
CHECK_MAX_OUTPUT_TOKENS = 16
CHECK_TIMEOUT_S = 30.0
ROUTING_MAX_OUTPUT_TOKENS = 256


class TierAnswer(NamedTuple):
    text: str
    endpoint: Endpoint
    """May be of another tier than the one asked, if that one was unavailable."""
    usage: Usage | None


class EndpointCheck(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one short request to one endpoint."""

    endpoint: Endpoint
    took_s: float
    error: OctorouteError | None = None
    """None: it answered."""


class InternalCalls:
    def __init__(self, gateway: Callable[[], Gateway], new_id: Callable[[], str]) -> None:
        """`gateway` is called for each request, because a router that asks a model exists before its gateway does."""
        self._gateway = gateway
        self._new_id = new_id

    async def ask_tier(self, tier: Tier, conversation: Conversation, facts: Facts, *, timeout_s: float | None = None) -> TierAnswer:
        """A whole answer as text. `timeout_s` limits one attempt; None: the endpoint's own limit. Raises OctorouteError."""
        request = self._request(tier, conversation, facts, timeout_s)
        reply = await self._gateway().answer(request)
        usage = reply.usage
        reply.delivered()
        reply.close()
        return TierAnswer((reply.body or b"").decode("utf-8", "replace"), reply.endpoint, usage)

    async def check(self, endpoint: Endpoint) -> EndpointCheck:
        """Ask `endpoint` whatever its circuit and limits say; its health learns from the result.

        Models whose requests are neither small nor free, such as those for images, are only probed, as by the health check.
        """
        gateway = self._gateway()
        if endpoint.tier in PASSED_TIERS.values():
            return await self._probe(endpoint)
        conversation = Conversation(turns=(Turn(Role.USER, (Text(CHECK_PROMPT),)),), max_tokens=CHECK_MAX_OUTPUT_TOKENS)
        facts = Facts(text=CHECK_PROMPT, tokens=1, context_tokens=1, messages=1)
        request = self._request(endpoint.id, conversation, facts, CHECK_TIMEOUT_S)
        lifecycle = RequestLifecycle(request, gateway.sink, gateway.live)
        lifecycle.decided(
            Decision(tier=endpoint.tier, by="client", why="an operator tests this endpoint", only=frozenset({endpoint.id}))
        )
        since = gateway.clock()
        error: OctorouteError | None = None
        try:
            lease = gateway.health.force_acquire(endpoint, request.id)
            response = await gateway.attempts.attempt(request, lease, lifecycle)
            reply = await Reply.begin(request, gateway.inbound[request.dialect], response, lifecycle, {})
            reply.delivered()
        except OctorouteError as failure:
            error = failure
            lifecycle.finish(ending_of(failure), failure)
        finally:
            lifecycle.settle()
        return EndpointCheck(endpoint=endpoint, took_s=gateway.clock() - since, error=error)

    async def _probe(self, endpoint: Endpoint) -> EndpointCheck:
        gateway = self._gateway()
        since = gateway.clock()
        error: OctorouteError | None = None
        try:
            await gateway.upstream.probe(endpoint, CHECK_TIMEOUT_S)
        except OctorouteError as failure:
            error = failure
        return EndpointCheck(endpoint=endpoint, took_s=gateway.clock() - since, error=error)

    async def check_until_answered(self, endpoints: Iterable[Endpoint]) -> list[EndpointCheck]:
        """Check in order, up to the first endpoint that answers."""
        checks: list[EndpointCheck] = []
        for endpoint in endpoints:
            checks.append(await self.check(endpoint))
            if checks[-1].error is None:
                break
        return checks

    def _request(self, model: str, conversation: Conversation, facts: Facts, timeout_s: float | None) -> Request:
        return Request(
            id=self._new_id(),
            dialect=InternalInbound.name,
            model=model,
            stream=False,
            body=conversation,
            facts=facts,
            timeout_s=timeout_s,
        )


class RoutingModel:
    """The tier that a router asks for a decision; the `Ask` of `routing.strategies`.

    If a server rejects structured output or the thinking switch, further questions go without both.
    """

    def __init__(self, calls: InternalCalls, tier: Tier, timeout_s: float) -> None:
        self._calls = calls
        self._tier = tier
        self._timeout_s = timeout_s
        self._plain = False

    async def __call__(self, system: str, question: str, schema: Mapping[str, Any]) -> str:
        if not self._plain:
            try:
                return await self._ask(system, question, AnswerFormat(schema=dict(schema), name="routing", strict=True))
            except UpstreamRejected:
                self._plain = True
        return await self._ask(system, question, None)

    async def _ask(self, system: str, question: str, answer_format: AnswerFormat | None) -> str:
        conversation = Conversation(
            system=(Text(system),),
            turns=(Turn(Role.USER, (Text(question),)),),
            temperature=0.0,
            max_tokens=ROUTING_MAX_OUTPUT_TOKENS,
            format=answer_format,
            thinking=ThinkingWish(enabled=False, effort="none") if answer_format else None,
        )
        tokens = (len(system) + len(question)) // 4
        facts = Facts(tokens=tokens, context_tokens=tokens, messages=1)
        limit_s = 2 * self._timeout_s  # time for one retry
        try:
            async with asyncio.timeout(limit_s):
                answer = await self._calls.ask_tier(self._tier, conversation, facts, timeout_s=self._timeout_s)
        except TimeoutError:
            raise TooSlow(f"the routing model did not answer within {limit_s:g} s") from None
        return answer.text
