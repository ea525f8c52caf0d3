"""The routes that read an inference request without answering it: the explanation of a decision, and the token count."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from octoroute.domain.request import Request as InferenceRequest
from octoroute.gateway.explain import explain, tell
from octoroute.runtime.assembly import Runtime
from octoroute.server.guard import AccessRules, check_json, read_body, request_id
from octoroute.server.routes.json_response import json_response


class DryRunRoutes:
    """POST /v1/route and POST /v1/messages/count_tokens."""

    def __init__(self, runtime: Runtime, rules: AccessRules) -> None:
        self._runtime = runtime
        self._rules = rules

    def routes(self) -> list[Route]:
        return [
            Route("/v1/route", self.route, methods=["POST"]),
            Route("/v1/messages/count_tokens", self.count, methods=["POST"]),
        ]

    async def route(self, request: Request) -> Response:
        inference = await self._read(request, "openai")
        return json_response(tell(await explain(self._runtime.gateway, self._runtime.dry_router, inference)), request)

    async def count(self, request: Request) -> Response:
        """May send the request to the counting interface of an endpoint."""
        inference = await self._read(request, "anthropic")
        counted = await self._runtime.token_counter.count(inference, self._runtime.dry_router)
        response = json_response({"input_tokens": counted.tokens}, request)
        response.headers["x-octoroute-token-count"] = counted.how
        return response

    async def _read(self, request: Request, dialect: str) -> InferenceRequest:
        check_json(request.headers)
        body = await read_body(request.receive, request.headers, self._rules.max_request_bytes)
        return self._runtime.inbound[dialect].read(
            body,
            request_id=request_id(request.headers),
            headers=dict(request.headers),
            key_name=self._rules.keys.check(request.headers),
        )
