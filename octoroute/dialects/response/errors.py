"""Errors: each dialect's error types, the meaning of an upstream's error body, and its retry delay. Pure.

`kind` is an error family of `octoroute.errors`. An upstream's message reaches a client only if it is about the request.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, cast

import msgspec

from octoroute.domain.events import Failed
from octoroute.errors import (
    BadUpstreamResponse,
    OctorouteError,
    Overloaded,
    Throttled,
    TooSlow,
    UpstreamAuthError,
    UpstreamError,
    UpstreamRejected,
)

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

_KIND_PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = (
    (
        re.compile(
            r"context_length_exceeded|context_window_exceeded|exceed_context_size|prompt is too long|input is too long"
            r"|too many tokens|maximum context length|exceeds? the (?:available )?context"
            r"|context (?:length|window|size)[^.]*exceed|input token count[^.]*exceeds",
            re.IGNORECASE,
        ),
        "context_too_long",
    ),
    (
        re.compile(
            r"insufficient_quota|insufficient_balance|billing|exceeded your current quota|credit balance|spend limit", re.IGNORECASE
        ),
        "billing_error",
    ),
    (re.compile(r"overloaded|server_is_overloaded|UNAVAILABLE|engine_overloaded", re.IGNORECASE), "overloaded_error"),
    (re.compile(r"rate_?limit|too_many_requests|RESOURCE_EXHAUSTED", re.IGNORECASE), "rate_limit_error"),
    (re.compile(r"timeout|DEADLINE_EXCEEDED", re.IGNORECASE), "timeout_error"),
    (re.compile(r"authentication|invalid_api_key|UNAUTHENTICATED|permission", re.IGNORECASE), "authentication_error"),
    (re.compile(r"request_too_large", re.IGNORECASE), "request_too_large"),
    (re.compile(r"not_found|NOT_FOUND", re.IGNORECASE), "not_found_error"),
    (
        re.compile(r"invalid_request|invalid_argument|bad_request|BadRequest|content_filter|FAILED_PRECONDITION", re.IGNORECASE),
        "invalid_request_error",
    ),
)
_STATUS_KINDS: Mapping[int, str] = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "authentication_error",
    404: "not_found_error",
    408: "timeout_error",
    413: "request_too_large",
    422: "invalid_request_error",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}
MAX_MESSAGE_CHARS = 2000
_STATUS = re.compile(r"[1-5][0-9][0-9]")
_NUMBERS = re.compile(r"\d[\d,_]{2,}")


class UpstreamErrorBody(msgspec.Struct, frozen=True, kw_only=True):
    """The fields of an upstream's error body; empty if absent."""

    message: str = ""
    type: str = ""
    code: str = ""
    param: str | None = None
    details: tuple[object, ...] = ()

    @property
    def context_too_long(self) -> bool:
        return bool(_KIND_PATTERNS[0][0].search(f"{self.code} {self.type} {self.message}"))

    @property
    def kind(self) -> str | None:
        """The error family of its type or code; None if neither is known."""
        label = f"{self.code} {self.type}"
        return next((kind for pattern, kind in _KIND_PATTERNS[1:] if pattern.search(label)), None)


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


def read_failed_event(body: bytes) -> Failed:
    """Build the event for an error that the upstream sent in a stream or in place of a response."""
    error = read_error_body(body) or UpstreamErrorBody()
    if error.context_too_long:
        return Failed("invalid_request_error", normalize_too_long(error.message), "context_length_exceeded")
    kind = error.kind or (_STATUS_KINDS.get(int(error.code)) if _STATUS.fullmatch(error.code) else None) or "api_error"
    return Failed(kind, error.message or "the upstream reported an error", error.code or None)


def normalize_too_long(message: str) -> str:
    """Rewrite to `prompt is too long: X tokens > Y maximum`: agents compact their conversation when they read this text."""
    if message.startswith("prompt is too long"):
        return message
    numbers = sorted({int(re.sub(r"\D", "", found)) for found in _NUMBERS.findall(message)}, reverse=True)
    if len(numbers) >= 2:
        return f"prompt is too long: {numbers[0]} tokens > {numbers[1]} maximum"
    return f"prompt is too long: {message}" if message else "prompt is too long"


def error_from_event(failed: Failed) -> UpstreamError:
    """The UpstreamError for an error in place of a response, so that the gateway can try the next endpoint."""
    match failed.kind:
        case "rate_limit_error":
            return Throttled("the upstream's rate limit is reached", detail=failed.message)
        case "overloaded_error":
            return Overloaded("the upstream is overloaded", detail=failed.message)
        case "timeout_error":
            return TooSlow("the upstream timed out", detail=failed.message)
        case "authentication_error" | "permission_error" | "billing_error":
            return UpstreamAuthError("the upstream rejected the gateway's credentials", detail=failed.message)
        case _ if failed.code == "context_length_exceeded":
            return build_rejection(failed)
        case _:
            return BadUpstreamResponse("the upstream returned an error in place of a response", detail=failed.message)


def build_rejection(failed: Failed, status: int = 400) -> UpstreamRejected:
    """Build the error for a request that the upstream rejected, with a body in OpenAI's format."""
    body = msgspec.json.encode(
        {
            "error": {
                "message": failed.message,
                "type": OPENAI_TYPES.get(failed.kind, failed.kind),
                "param": None,
                "code": failed.code,
            }
        }
    )
    error = UpstreamRejected(
        failed.message, status=status, body=body, headers={"content-type": "application/json"}, dialect="openai"
    )
    if failed.code == "context_length_exceeded":
        error.code = failed.code
    return error


def client_message(error: OctorouteError) -> str:
    """The error's message for a client of another dialect: the upstream's own text only if it rejected the request."""
    if isinstance(error, UpstreamRejected):
        error_body = read_error_body(error.body)
        if error_body is not None and error_body.message:
            return normalize_too_long(error_body.message) if error_body.context_too_long else error_body.message
    return error.message


def read_upstream_error(status: int, headers: Mapping[str, str], body: bytes, dialect: str) -> UpstreamError | None:
    """The error that a body describes more exactly than its status: quota exhausted, overload, retry delay; None if it does not."""
    error_body = read_error_body(body)
    if error_body is None:
        return None
    message = error_body.message
    if status in {400, 413, 422} and error_body.context_too_long:
        error = UpstreamRejected(normalize_too_long(message), status=400, body=body, headers=headers, dialect=dialect)
        error.code = "context_length_exceeded"
        return error
    if status == 404 and error_body.code == "DeploymentNotFound":
        return UpstreamAuthError("the upstream has no such deployment", detail=message)
    if status == 429:
        wait_s = retry_after_s(headers, None, error_body)
        if error_body.kind == "billing_error" or (wait_s is None and _KIND_PATTERNS[1][0].search(message)):
            return UpstreamAuthError("the upstream's quota is exhausted", detail=message)
        return Throttled("the upstream's rate limit is reached", retry_after_s=wait_s)
    if status >= 500 and error_body.kind == "overloaded_error":
        return Overloaded("the upstream is overloaded", retry_after_s=retry_after_s(headers, None, error_body), detail=message)
    return None


def openai_envelope(error: OctorouteError) -> bytes:
    body = {
        "message": client_message(error),
        "type": OPENAI_TYPES.get(error.kind, "server_error"),
        "param": getattr(error, "param", None),
        "code": error.code,
    }
    return msgspec.json.encode({"error": body})


def retry_after_s(headers: Mapping[str, str], now_s: float | None, error_body: UpstreamErrorBody | None = None) -> float | None:
    """Seconds to wait, from `retry-after-ms`, `retry-after` (seconds or a date), or Google's RetryInfo; None if not stated.

    `headers` have lower-case names. `now_s`, in seconds since the epoch, is compared with dates; None means now.
    """
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    value = headers.get("retry-after")
    seconds = _number(value)
    if seconds is not None:
        return seconds
    if value:
        try:
            now = datetime.now(UTC).timestamp() if now_s is None else now_s
            return max(0.0, parsedate_to_datetime(value).timestamp() - now)
        except (ValueError, TypeError, OverflowError):
            pass
    for detail in error_body.details if error_body else ():
        delay = cast("dict[str, object]", detail).get("retryDelay") if isinstance(detail, dict) else None
        if isinstance(delay, str) and delay.endswith("s"):
            return _number(delay[:-1])
    return None


def _number(value: str | None) -> float | None:
    try:
        number = float(value) if value else -1.0
    except ValueError:
        return None
    return number if 0 <= number < 1e9 else None
