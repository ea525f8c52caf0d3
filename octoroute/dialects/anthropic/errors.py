"""Errors as Anthropic writes them: `{"type": "error", "error": {type, message}, "request_id"}`. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from octoroute.dialects.response import sse
from octoroute.dialects.response.errors import ANTHROPIC_OVERLOADED_STATUS, ANTHROPIC_TYPES, client_message
from octoroute.errors import ClientError, OctorouteError, Overloaded, UpstreamRejected

_BY_STATUS = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}


def write_error(error: OctorouteError, request_id: str) -> bytes:
    if isinstance(error, UpstreamRejected) and error.dialect == "anthropic" and error.body:
        return error.body
    details = error.details if isinstance(error, ClientError) else None
    return _envelope(error_type(error), client_message(error), request_id, details)


def error_event(error: OctorouteError, request_id: str) -> bytes:
    return error_frame(error_type(error), client_message(error), request_id)


def error_frame(type: str, message: str, request_id: str | None) -> bytes:
    return sse.frame(_envelope(type, message, request_id), "error")


def error_type(error: OctorouteError) -> str:
    """By the status where an upstream judged the request, otherwise by our own word for it."""
    if isinstance(error, UpstreamRejected):
        return _BY_STATUS.get(error.status, "invalid_request_error")
    kind = ANTHROPIC_TYPES.get(error.kind, "api_error")
    return _BY_STATUS.get(error.status, kind) if kind == "api_error" else kind


def error_status(error: OctorouteError) -> int:
    """Anthropic has a status of its own for an overload."""
    return ANTHROPIC_OVERLOADED_STATUS if isinstance(error, Overloaded) or error.code == Overloaded.code else error.status


def _envelope(type: str, message: str, request_id: str | None, details: Mapping[str, object] | None = None) -> bytes:
    error: dict[str, Any] = {"type": type, "message": message}
    if details:
        error["details"] = details
    body: dict[str, Any] = {"type": "error", "error": error}
    if request_id is not None:
        body["request_id"] = request_id
    return msgspec.json.encode(body)
