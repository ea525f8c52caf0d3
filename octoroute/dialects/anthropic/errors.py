"""Errors in Anthropic's format: `{"type": "error", "error": {type, message}, "request_id"}`. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from octoroute.dialects.response import sse
from octoroute.dialects.response.errors import ANTHROPIC_OVERLOADED_STATUS, ANTHROPIC_TYPES, client_message
from octoroute.dialects.response.refusals import RefusalKind
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
    """Encode an error body. A request that an Anthropic endpoint rejected gets that endpoint's body unchanged."""
    if isinstance(error, UpstreamRejected) and error.dialect == "anthropic" and error.body:
        return error.body
    details = error.details if isinstance(error, ClientError) else None
    return _envelope(error_type(error), client_message(error), request_id, details)


def error_event(error: OctorouteError, request_id: str) -> bytes:
    """Encode an error inside a stream."""
    return error_frame(error_type(error), client_message(error), request_id)


def error_frame(type: str, message: str, request_id: str | None) -> bytes:
    return sse.frame(_envelope(type, message, request_id), "error")


def error_type(error: OctorouteError) -> str:
    """Anthropic's type: by the status if an upstream rejected the request, otherwise by the error's kind."""
    if isinstance(error, UpstreamRejected):
        if error.refusal == RefusalKind.CONTEXT:
            return "invalid_request_error"
        return _BY_STATUS.get(error.status, "invalid_request_error")
    kind = ANTHROPIC_TYPES.get(error.kind, "api_error")
    return _BY_STATUS.get(error.status, kind) if kind == "api_error" else kind


def error_status(error: OctorouteError) -> int:
    """The HTTP status; as Anthropic's API has it 529 for an overload, and 400 for a prompt that is too long."""
    if isinstance(error, UpstreamRejected) and error.refusal == RefusalKind.CONTEXT:
        return 400
    return ANTHROPIC_OVERLOADED_STATUS if isinstance(error, Overloaded) or error.code == Overloaded.code else error.status


def _envelope(type: str, message: str, request_id: str | None, details: Mapping[str, object] | None = None) -> bytes:
    error: dict[str, Any] = {"type": type, "message": message}
    if details:
        error["details"] = details
    body: dict[str, Any] = {"type": "error", "error": error}
    if request_id is not None:
        body["request_id"] = request_id
    return msgspec.json.encode(body)
