"""The routes that read an inference request without answering it: the explanation of a decision, and the token count."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from octoroute import dialects
from octoroute.dialects.base import Inbound
from octoroute.domain.request import Request as InferenceRequest
from octoroute.gateway.explain import explain, tell
from octoroute.runtime.assembly import Runtime
from octoroute.server.client_dialect import inbound_of
from octoroute.server.guard import AccessRules, check_json, read_body, request_id
from octoroute.server.routes.json_response import json_response


class DryRunRoutes:
    """POST /v1/route, and the routes that count tokens."""

    def __init__(self, runtime: Runtime, rules: AccessRules) -> None:
        self._runtime = runtime
        self._rules = rules

    def routes(self) -> list[Route]:
        return [
            Route("/v1/route", self.route, methods=["POST"]),
            *(
                Route(inbound.count_path, self.count, methods=["POST"])
                for inbound in self._runtime.inbound.values()
                if inbound.count_path is not None
            ),
        ]

    async def route(self, request: Request) -> Response:
        inference = await self._read(request, self._runtime.inbound[dialects.DEFAULT])
        return json_response(tell(await explain(self._runtime.gateway, self._runtime.dry_router, inference)), request)

    async def count(self, request: Request) -> Response:
        """May send the request to the counting interface of an endpoint."""
        inference = await self._read(request, inbound_of(self._runtime.inbound, request.url.path, {}))
        counted = await self._runtime.token_counter.count(inference, self._runtime.dry_router)
        response = json_response({"input_tokens": counted.tokens}, request)
        response.headers["x-octoroute-token-count"] = counted.how
        return response

    async def _read(self, request: Request, inbound: Inbound) -> InferenceRequest:
        check_json(request.headers)
        body = await read_body(request.receive, request.headers, self._rules.max_request_bytes)
        return inbound.read(
            body,
            request_id=request_id(request.headers),
            headers=dict(request.headers),
            key_name=self._rules.keys.check(request.headers),
        )
