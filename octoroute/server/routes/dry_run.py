"""The routes that read an inference request without answering it: the explanation of a decision, and the token count."""

from __future__ import annotations

from functools import partial

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from octoroute import dialects
from octoroute.dialects.base import Inbound
from octoroute.domain.request import Request as InferenceRequest
from octoroute.gateway.explain import explain, tell
from octoroute.gateway.offload import read_request
from octoroute.runtime.assembly import Runtime
from octoroute.server.guard import AccessRules, check_json, read_body, request_id, target_headers
from octoroute.server.routes.json_response import json_body, json_response


class DryRunRoutes:
    """POST /v1/route, and the routes that count tokens."""

    def __init__(self, runtime: Runtime, rules: AccessRules) -> None:
        self._runtime = runtime
        self._rules = rules

    def routes(self) -> list[Route]:
        return [
            Route("/v1/route", self.route, methods=["POST"]),
            *(
                Route(inbound.count_path, partial(self.count, inbound), methods=["POST"])
                for inbound in self._runtime.inbound.values()
                if inbound.count_path is not None
            ),
        ]

    async def route(self, request: Request) -> Response:
        inference = await self._read(request, self._runtime.inbound[dialects.DEFAULT])
        return json_response(tell(await explain(self._runtime.gateway, self._runtime.dry_router, inference)), request)

    async def count(self, inbound: Inbound, request: Request) -> Response:
        """May send the request to the counting interface of an endpoint."""
        inference = await self._read(request, inbound)
        counted = await self._runtime.token_counter.count(inference, self._runtime.dry_router)
        response = json_body(inbound.encode_count(counted.tokens), request)
        response.headers["x-octoroute-token-count"] = counted.how
        return response

    async def _read(self, request: Request, inbound: Inbound) -> InferenceRequest:
        check_json(request.headers)
        body = await read_body(request.receive, request.headers, self._rules.max_request_bytes)
        headers = target_headers(request.headers, request.scope, inbound.key_parameter)
        principal = self._rules.keys.check(headers)
        return await read_request(inbound, body, request_id=request_id(headers), headers=headers, principal=principal)
