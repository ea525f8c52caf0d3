"""Errors in Google's format: `{"error": {code, message, status, details}}`. Pure.

Source: https://cloud.google.com/apis/design/errors. `status` is a name of google.rpc.Code; `details` are messages of google.rpc.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import msgspec

from octoroute.dialects.response import sse
from octoroute.dialects.response.errors import client_message
from octoroute.dialects.response.upstream_error import error_from_event
from octoroute.domain.events import Failed
from octoroute.errors import ClientError, OctorouteError, UpstreamRejected

_NAMES: Mapping[int, str] = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    408: "DEADLINE_EXCEEDED",
    409: "ABORTED",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
    529: "UNAVAILABLE",
}
_TYPE = "type.googleapis.com/google.rpc."


def write_error(error: OctorouteError, request_id: str) -> bytes:
    """Encode an error body. A request that a Gemini endpoint rejected gets that endpoint's body unchanged."""
    if isinstance(error, UpstreamRejected) and error.dialect == "gemini" and error.body:
        return error.body
    return _envelope(error, request_id)


def error_frame(error: OctorouteError, request_id: str) -> bytes:
    """Encode an error inside a stream, on which the official SDKs raise."""
    return sse.frame(_envelope(error, request_id))


def write_failure(failed: Failed) -> bytes:
    """Encode an error that the upstream reported in its stream."""
    return _envelope(error_from_event(failed), None)


def status_name(status: int) -> str:
    return _NAMES.get(status) or ("INVALID_ARGUMENT" if status < 500 else "INTERNAL")


def _envelope(error: OctorouteError, request_id: str | None) -> bytes:
    message = client_message(error)
    details: list[dict[str, object]] = [
        {"@type": _TYPE + "ErrorInfo", "reason": error.code.upper(), "domain": "octoroute", "metadata": {}}
    ]
    param = error.param if isinstance(error, ClientError) else None
    if param is not None:
        details.append({"@type": _TYPE + "BadRequest", "fieldViolations": [{"field": param, "description": message}]})
    if error.retry_after_s is not None:
        details.append({"@type": _TYPE + "RetryInfo", "retryDelay": f"{max(1, math.ceil(error.retry_after_s))}s"})
    if request_id is not None:
        details.append({"@type": _TYPE + "RequestInfo", "requestId": request_id})
    return msgspec.json.encode(
        {"error": {"code": error.status, "message": message, "status": status_name(error.status), "details": details}}
    )
