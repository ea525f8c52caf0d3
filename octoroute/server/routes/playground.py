"""The dashboard's playground: a chat request of a browser that has signed in, answered as the same request of its key would be.

A session does not stand for a key at the routes of models, so that no other page of this browser can ask them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from octoroute import dialects
from octoroute.gateway.offload import read_request
from octoroute.gateway.relay import Reply
from octoroute.runtime.assembly import Runtime
from octoroute.server.guard import AccessRules, check_json, headers_of, principal_of, read_body, request_id

PATH = "/admin/playground/chat/completions"


class PlaygroundRoutes:
    def __init__(self, runtime: Runtime, rules: AccessRules, keep_alive_s: float) -> None:
        self._runtime = runtime
        self._rules = rules
        self._keep_alive_s = keep_alive_s

    def routes(self) -> list[Route]:
        return [Route(PATH, self.chat, methods=["POST"])]

    async def chat(self, request: Request) -> Response:
        """As POST /v1/chat/completions."""
        headers = headers_of(request.scope)
        headers.pop("cookie", None)  # a session is nothing that an endpoint should see
        check_json(headers)
        body = await read_body(request.receive, headers, self._rules.max_request_bytes)
        inbound = self._runtime.inbound[dialects.DEFAULT]
        given_id = request_id(headers)
        asked = await read_request(inbound, body, request_id=given_id, headers=headers, principal=principal_of(request))
        reply = await self._runtime.gateway.answer(asked)
        told = {**reply.headers, "x-request-id": given_id, "cache-control": "no-store"}
        if not reply.stream:
            try:
                return Response(reply.body or b"", headers={"content-type": "application/json", **told})
            finally:
                reply.delivered()
                reply.close()
        return StreamingResponse(_pieces(reply, self._keep_alive_s), headers={"content-type": inbound.stream_type, **told})


async def _pieces(reply: Reply, keep_alive_s: float) -> AsyncIterator[bytes]:
    """The stream; a browser that leaves cancels it, which settles the request."""
    try:
        async for piece in reply.pieces(keep_alive_s):
            yield piece
    finally:
        reply.close()
