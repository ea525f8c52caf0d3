"""The JSON response of a Starlette route; it carries the request id."""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from octoroute.server.guard import request_id


def json_response(value: object, request: Request, status: int = 200) -> Response:
    return json_body(msgspec.json.encode(value), request, status)


def json_body(body: bytes, request: Request, status: int = 200) -> Response:
    return Response(body, status, headers={"x-request-id": request_id(request.headers)}, media_type="application/json")
