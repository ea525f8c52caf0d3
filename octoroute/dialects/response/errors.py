"""Errors: each dialect's error types, and the fields of an upstream's error body. Pure.

`kind` is an error family of `octoroute.errors`. An upstream's message reaches a client only if it is about the request.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import cast

import msgspec

from octoroute.dialects.response.error_shapes import load_object, read_shape
from octoroute.dialects.response.refusals import RefusalKind, refusal_of
from octoroute.errors import OctorouteError, UpstreamRejected

ANTHROPIC_TYPES: Mapping[str, str] = {
    "invalid_request_error": "invalid_request_error",
    "authentication_error": "authentication_error",
    "permission_error": "permission_error",
    "billing_error": "billing_error",
    "not_found_error": "not_found_error",
    "request_too_large": "request_too_large",
    "rate_limit_error": "rate_limit_error",
    "timeout_error": "timeout_error",
    "overloaded_error": "overloaded_error",
    "api_error": "api_error",
    "server_error": "api_error",
}
OPENAI_TYPES: Mapping[str, str] = {
    "invalid_request_error": "invalid_request_error",
    "authentication_error": "invalid_request_error",
    "permission_error": "invalid_request_error",
    "billing_error": "insufficient_quota",
    "not_found_error": "invalid_request_error",
    "request_too_large": "invalid_request_error",
    "rate_limit_error": "rate_limit_error",
    "timeout_error": "timeout_error",
    "overloaded_error": "overloaded_error",
    "api_error": "api_error",
    "server_error": "server_error",
}
ANTHROPIC_OVERLOADED_STATUS = 529

MAX_MESSAGE_CHARS = 2000
NO_RESPONSE = "the upstream's response ended before it began"
_NUMBERS = re.compile(r"\d[\d,_]{2,}")


class UpstreamErrorBody(msgspec.Struct, frozen=True, kw_only=True):
    """The fields of an upstream's error body; empty if absent."""

    message: str = ""
    type: str = ""
    code: str = ""
    param: str | None = None
    details: tuple[object, ...] = ()

    @property
    def label(self) -> str:
        """What names the error: its code, its type, and Google's reasons."""
        reasons = [cast("dict[str, object]", detail).get("reason") for detail in self.details if isinstance(detail, dict)]
        return " ".join([self.code, self.type, *(reason for reason in reasons if isinstance(reason, str))])

    @property
    def context_too_long(self) -> bool:
        return refusal_of(400, self.label, self.message) is RefusalKind.CONTEXT


def read_error_body(body: bytes) -> UpstreamErrorBody | None:
    """Read an error body of any known shape; None if it holds no JSON object."""
    value = load_object(body)
    if value is None:
        return None
    shape = read_shape(value)
    return UpstreamErrorBody(
        message=shape.message[:MAX_MESSAGE_CHARS], type=shape.type, code=shape.code, param=shape.param, details=shape.details
    )


def normalize_too_long(message: str) -> str:
    """Rewrite to `prompt is too long: X tokens > Y maximum`: agents compact their conversation when they read this text."""
    if message.startswith("prompt is too long"):
        return message
    numbers = sorted({int(re.sub(r"\D", "", found)) for found in _NUMBERS.findall(message)}, reverse=True)
    if len(numbers) >= 2:
        return f"prompt is too long: {numbers[0]} tokens > {numbers[1]} maximum"
    return f"prompt is too long: {message}" if message else "prompt is too long"


def client_message(error: OctorouteError) -> str:
    """The error's message for a client of another dialect: the upstream's own text only if it rejected the request."""
    if isinstance(error, UpstreamRejected):
        error_body = read_error_body(error.body)
        if error_body is not None and error_body.message:
            return normalize_too_long(error_body.message) if error_body.context_too_long else error_body.message
    return error.message


def openai_envelope(error: OctorouteError) -> bytes:
    """The error body that a client of OpenAI's format gets."""
    kind = OPENAI_TYPES.get(error.kind, "server_error")
    return openai_body(client_message(error), kind, error.code, param=getattr(error, "param", None))


def openai_body(message: str, kind: str, code: str | None, *, param: str | None = None) -> bytes:
    """An error body in OpenAI's format; `kind` is its `type`."""
    return msgspec.json.encode({"error": {"message": message, "type": kind, "param": param, "code": code}})
