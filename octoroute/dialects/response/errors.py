"""Errors: each dialect's error types, and the fields of an upstream's error body. Pure.

`kind` is an error family of `octoroute.errors`. An upstream's message reaches a client only if it is about the request.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, cast

import msgspec

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


class _Error(msgspec.Struct):
    message: Any = None
    detail: Any = None
    type: Any = None
    status: Any = None
    code: Any = None
    param: Any = None
    details: Any = None


class _Body(_Error):
    error: _Error | str | None = None


_BODY = msgspec.json.Decoder(_Body)
_BODIES = msgspec.json.Decoder(list[_Body])


def _read_body(body: bytes) -> _Body | None:
    try:
        if body.lstrip().startswith(b"["):
            return next(iter(_BODIES.decode(body)), None)
        return _BODY.decode(body)
    except (ValueError, RecursionError):
        return None


def read_error_body(body: bytes) -> UpstreamErrorBody | None:
    """Read an error body of OpenAI, Anthropic, Google (also in a list), FastAPI, or Ollama; None if it is none of these."""
    decoded = _read_body(body)
    if decoded is None:
        return None
    error = decoded.error if isinstance(decoded.error, _Error) else decoded
    details: object = error.details
    message = decoded.error if isinstance(decoded.error, str) else error.message or error.detail or ""
    if not isinstance(message, str):
        message = msgspec.json.encode(message).decode()
    return UpstreamErrorBody(
        message=message[:MAX_MESSAGE_CHARS],
        type=_text(error.type) or _text(error.status),
        code=_text(error.code),
        param=error.param if isinstance(error.param, str) else None,
        details=tuple(cast("list[object]", details)) if isinstance(details, list) else (),
    )


def _text(value: object) -> str:
    return value if isinstance(value, str) else str(value) if isinstance(value, int) else ""


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
    body = {
        "message": client_message(error),
        "type": OPENAI_TYPES.get(error.kind, "server_error"),
        "param": getattr(error, "param", None),
        "code": error.code,
    }
    return msgspec.json.encode({"error": body})
