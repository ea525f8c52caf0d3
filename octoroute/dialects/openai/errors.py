"""Errors as OpenAI writes them: `{"error": {message, type, param, code}}`."""

from __future__ import annotations

import msgspec

from octoroute.dialects import sse
from octoroute.errors import ClientError, Declined, OctorouteError

_TYPES = {
    "authentication_error": "invalid_request_error",
    "permission_error": "invalid_request_error",
    "not_found_error": "invalid_request_error",
    "request_too_large": "invalid_request_error",
    "timeout_error": "api_error",
    "overloaded_error": "server_error",
}
"""Our kinds that OpenAI calls otherwise; its SDK tells them apart by status."""


def write_error(error: OctorouteError, request_id: str) -> bytes:  # noqa: ARG001 - the id goes out as a header here
    if isinstance(error, Declined) and error.dialect == "openai":
        return error.body
    return msgspec.json.encode(error_object(error))


def error_event(error: OctorouteError, request_id: str) -> bytes:
    """What the official SDK raises on: an `error` object in the data, and no `[DONE]` after it."""
    return sse.frame(write_error(error, request_id))


def error_object(error: OctorouteError) -> dict[str, dict[str, str | None]]:
    return {
        "error": {
            "message": error.message,
            "type": _TYPES.get(error.kind, error.kind),
            "param": error.param if isinstance(error, ClientError) else None,
            "code": error.code,
        }
    }
