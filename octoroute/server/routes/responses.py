"""The routes of stored responses, in OpenAI's format: read, delete, cancel, list the input, and count tokens."""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from octoroute.dialects.responses import state
from octoroute.dialects.responses.inbound import ResponsesInbound
from octoroute.domain.stored_response import StoredResponse
from octoroute.errors import BadRequest, NotStored, UnknownPreviousResponse
from octoroute.gateway.offload import read_request
from octoroute.runtime.assembly import Runtime
from octoroute.server.guard import AccessRules, check_json, read_body, request_id
from octoroute.server.routes.json_response import json_response
from octoroute.server.stored_responses import StoredResponses

DEFAULT_PAGE = 20
MAX_PAGE = 100


class ResponsesRoutes:
    """Everything below /v1/responses but the making of responses."""

    def __init__(self, runtime: Runtime, rules: AccessRules, stored: StoredResponses) -> None:
        self._runtime = runtime
        self._rules = rules
        self._stored = stored

    def routes(self) -> list[Route]:
        return [
            Route("/v1/responses/input_tokens", self.input_tokens, methods=["POST"]),
            Route("/v1/responses/{id}", self.response, methods=["GET"]),
            Route("/v1/responses/{id}", self.delete, methods=["DELETE"]),
            Route("/v1/responses/{id}/cancel", self.cancel, methods=["POST"]),
            Route("/v1/responses/{id}/input_items", self.input_items, methods=["GET"]),
        ]

    async def response(self, request: Request) -> Response:
        stored = await self._find(request)
        if request.query_params.get("stream", "").lower() == "true":
            raise BadRequest("stream: only background responses can be streamed again; leave it out", param="stream")
        headers = {"x-request-id": request_id(request.headers)}
        return Response(stored.body, headers=headers, media_type="application/json")

    async def delete(self, request: Request) -> Response:
        id = (await self._find(request)).id
        await self._stored.store.delete(self._owner(request), id)
        return json_response({"id": id, "object": "response", "deleted": True}, request)

    async def cancel(self, request: Request) -> Response:
        id = (await self._find(request)).id
        raise BadRequest(f"the response {id!r} was not made in the background and is complete: it cannot be cancelled")

    async def input_items(self, request: Request) -> Response:
        """The whole input of the model: the turns before, and what this turn added."""
        stored = await self._find(request)
        try:
            *earlier, _ = await self._stored.conversations.turns(stored.id, stored.owner)
        except UnknownPreviousResponse:
            earlier = []
        items: list[msgspec.Raw] = []
        for turn in earlier:
            items += [*state.listed_items(turn), *state.output_items(turn.body)]
        return json_response(_page([*items, *state.listed_items(stored)], request), request)

    async def input_tokens(self, request: Request) -> Response:
        """May send the request to the counting interface of an endpoint."""
        check_json(request.headers)
        body = await read_body(request.receive, request.headers, self._rules.max_request_bytes)
        resolved = await self._stored.conversations.resolve(body, self._owner(request))
        inference = await read_request(
            self._runtime.inbound[ResponsesInbound.name],
            _with_model(resolved.body),
            request_id=request_id(request.headers),
            headers=dict(request.headers),
            principal=self._rules.keys.check(request.headers),
        )
        counted = await self._runtime.token_counter.count(inference, self._runtime.dry_router)
        response = json_response({"object": "response.input_tokens", "input_tokens": counted.tokens}, request)
        response.headers["x-octoroute-token-count"] = counted.how
        return response

    def _owner(self, request: Request) -> str:
        return self._rules.keys.owner(request.headers)

    async def _find(self, request: Request) -> StoredResponse:
        """Raises NotStored, the same for an unknown id as for that of another key."""
        id = request.path_params["id"]
        stored = await self._stored.store.get(self._owner(request), id)
        if stored is None:
            raise NotStored(f"the response {id[:100]!r} is not stored", param="response_id")
        return stored


_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])


def _with_model(body: bytes) -> bytes:
    """The model may be left out of a request that is only counted."""
    try:
        fields = _OBJECT.decode(body)
    except (ValueError, RecursionError):
        return body
    if bytes(fields.get("model", b"null")) != b"null":
        return body
    return msgspec.json.encode({**fields, "model": "auto"})


def _page(items: list[msgspec.Raw], request: Request) -> dict[str, Any]:
    """One page of a list. Raises BadRequest for `limit`, `order`, or `after` out of range."""
    query = request.query_params
    limit, order, after = query.get("limit", str(DEFAULT_PAGE)), query.get("order", "desc"), query.get("after")
    if not (limit.isascii() and limit.isdigit() and 1 <= int(limit[:9]) <= MAX_PAGE):
        raise BadRequest(f"limit: must be from 1 to {MAX_PAGE}", param="limit")
    if order not in {"asc", "desc"}:
        raise BadRequest("order: must be asc or desc", param="order")
    rows = [(state.id_of(item), item) for item in items]
    if order == "desc":
        rows.reverse()
    if after is not None:
        at = next((at for at, (id, _) in enumerate(rows) if id == after), None)
        if at is None:
            raise BadRequest(f"after: the item {after[:100]!r} is not in this list", param="after")
        rows = rows[at + 1 :]
    page = rows[: int(limit)]
    return {
        "object": "list",
        "data": [item for _, item in page],
        "first_id": page[0][0] if page else None,
        "last_id": page[-1][0] if page else None,
        "has_more": len(rows) > len(page),
    }
