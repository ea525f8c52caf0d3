"""Failures in a Responses stream: the codes by which clients decide whether to compact, wait, give up, or ask again. Pure.

Source: `ResponseError` of OpenAI's API reference; Codex (openai/codex, codex-api/src/sse/responses.rs) repeats a request after any
other code.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from octoroute.dialects.response.error_codes import CONTEXT_CODE
from octoroute.dialects.response.errors import OPENAI_TYPES
from octoroute.dialects.response.upstream_error import read_failed_event
from octoroute.domain.events import Failed

_CODES: Mapping[str, str] = {
    "rate_limit_error": "rate_limit_exceeded",
    "billing_error": "insufficient_quota",
    "overloaded_error": "server_is_overloaded",
    "invalid_request_error": "invalid_prompt",
    "request_too_large": "invalid_prompt",
    "not_found_error": "invalid_prompt",
}
"""By the kind of the error; clients do not repeat a request after `invalid_prompt` and `insufficient_quota`."""
_KEPT = frozenset({CONTEXT_CODE, *_CODES.values()})
_DEFAULT = "server_error"


def failure_code(kind: str, code: str | None) -> str:
    """The code of a `response.failed` event; an error without one that clients know keeps its own."""
    if code in _KEPT:
        return code
    return _CODES.get(kind) or code or _DEFAULT


def failure_message(kind: str, message: str, retry_after_s: float | None) -> str:
    """The message of a `response.failed` event: a rate limit's wait is read from its text."""
    if kind == "rate_limit_error" and retry_after_s is not None:
        return f"{message}. Please try again in {retry_after_s:g}s."
    return message


def error_type(kind: str) -> str:
    return OPENAI_TYPES.get(kind, _DEFAULT)


def read_failure(error: object) -> Failed:
    """The event for the `error` of a failed response."""
    return read_failed_event(msgspec.json.encode({"error": error}))
