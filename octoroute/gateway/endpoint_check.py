"""One tiny question to one endpoint, on the path that every request walks, because somebody wants to know whether it answers.

It is asked whatever its circuit says, health learns from it, and it is nobody's request in the statistics of requests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from octoroute.domain.conversation import Conversation, Role, Text, Turn
from octoroute.domain.decision import Decision
from octoroute.domain.endpoint import Endpoint
from octoroute.domain.request import Facts, Request
from octoroute.errors import OctorouteError
from octoroute.gateway.gateway import Gateway
from octoroute.gateway.lifecycle import RequestLifecycle, ending_of
from octoroute.gateway.relay import Reply
from octoroute.telemetry.access_log import ROUTING

QUESTION = "Hello"
MAX_OUTPUT_TOKENS = 16
TIMEOUT_S = 30.0


class EndpointCheck(msgspec.Struct, frozen=True, kw_only=True):
    endpoint: Endpoint
    took_s: float
    error: OctorouteError | None = None
    """None: it answered."""


class Trial:
    def __init__(self, gateway: Gateway, new_id: Callable[[], str]) -> None:
        self._gateway = gateway
        self._new_id = new_id

    async def until_one_answers(self, endpoints: Iterable[Endpoint]) -> list[EndpointCheck]:
        """In order; the last one answered, or none did."""
        tried: list[EndpointCheck] = []
        for endpoint in endpoints:
            tried.append(await self.ask(endpoint))
            if tried[-1].error is None:
                break
        return tried

    async def ask(self, endpoint: Endpoint) -> EndpointCheck:
        gateway = self._gateway
        request = self._request(endpoint)
        lifecycle = RequestLifecycle(request, gateway.sink, gateway.clock)
        lifecycle.decided(
            Decision(tier=endpoint.tier, by="client", why="an operator tests this endpoint", only=frozenset({endpoint.id}))
        )
        since = gateway.clock()
        error: OctorouteError | None = None
        try:
            opened = await gateway.attempt(request, gateway.health.force_acquire(endpoint, request.id), lifecycle)
            reply = await Reply.begin(request, gateway.inbound[request.dialect], opened, lifecycle, {})
            reply.delivered()
        except OctorouteError as failure:
            error = failure
            lifecycle.finish(ending_of(failure), failure)
        finally:
            lifecycle.settle()
        return EndpointCheck(endpoint=endpoint, took_s=gateway.clock() - since, error=error)

    def _request(self, endpoint: Endpoint) -> Request:
        return Request(
            id=self._new_id(),
            dialect=ROUTING,
            model=endpoint.id,
            stream=False,
            body=Conversation(turns=(Turn(Role.USER, (Text(QUESTION),)),), max_tokens=MAX_OUTPUT_TOKENS),
            facts=Facts(text=QUESTION, tokens=1, context_tokens=1, messages=1),
            timeout_s=TIMEOUT_S,
        )
