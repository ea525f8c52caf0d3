"""The exception that an upstream's refusal becomes, whether it came as a status or inside a response. Pure.

What the words mean is in `refusals`; here is what follows from it. The upstream's text reaches a client only if it is about the
request.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypeVar, cast

import msgspec

from octoroute.dialects.request.json_input import read_response
from octoroute.dialects.response.error_codes import CONTENT_CODE, CONTEXT_CODE, REQUEST_FAULTS
from octoroute.dialects.response.error_shapes import load_object, reports_failure
from octoroute.dialects.response.errors import (
    MAX_MESSAGE_CHARS,
    OPENAI_TYPES,
    UpstreamErrorBody,
    normalize_too_long,
    openai_body,
    read_error_body,
)
from octoroute.dialects.response.refusals import IN_RESPONSE, RefusalKind, is_firewall_page, refusal_of
from octoroute.dialects.response.retry_after import rate_limit_reset_s, retry_after_s
from octoroute.dialects.response.sse import BARE
from octoroute.domain.events import Failed
from octoroute.errors import (
    BadUpstreamResponse,
    NotServed,
    Overloaded,
    Throttled,
    TooSlow,
    UpstreamAuthError,
    UpstreamError,
    UpstreamRejected,
)

T = TypeVar("T")

_KINDS: Mapping[RefusalKind, str] = {
    RefusalKind.ALLOWANCE: "invalid_request_error",
    RefusalKind.CONTENT: "invalid_request_error",
    RefusalKind.REQUEST: "invalid_request_error",
    RefusalKind.MODEL: "not_found_error",
    RefusalKind.ROUTE: "not_found_error",
    RefusalKind.REGION: "authentication_error",
    RefusalKind.KEY: "authentication_error",
    RefusalKind.BILLING: "billing_error",
    RefusalKind.RATE: "rate_limit_error",
    RefusalKind.OVERLOAD: "overloaded_error",
    RefusalKind.TIMEOUT: "timeout_error",
    RefusalKind.FAILURE: "api_error",
}
"""The error family of a refusal inside a response."""
_REJECTED_STATUS: Mapping[str, int] = {"invalid_request_error": 400, "not_found_error": 404, "request_too_large": 413}
"""The status of a refusal inside a response that is about the request itself."""
_STATUS = re.compile(r"[1-5][0-9][0-9]")


def read_upstream_error(status: int, headers: Mapping[str, str], body: bytes, dialect: str) -> UpstreamError | None:
    """The error that a status of 400 or more and a body stand for; None: the status is no error's."""
    if status < 400:
        return None
    error_body = read_error_body(body)
    message = body[:MAX_MESSAGE_CHARS].decode("utf-8", "replace") if error_body is None else error_body.message
    wait_s = retry_after_s(headers, None, () if error_body is None else error_body.details)
    if error_body is None and (is_firewall_page(status, message) or "cf-mitigated" in headers):
        return _rejected(RefusalKind.CONTENT, status, {}, b"", dialect)
    label = "" if error_body is None else error_body.label
    refusal = refusal_of(status, label, message, says_when=wait_s is not None)
    match refusal:
        case RefusalKind.CONTEXT | RefusalKind.ALLOWANCE | RefusalKind.CONTENT | RefusalKind.REQUEST:
            return _rejected(refusal, status, headers, body, dialect)
        case RefusalKind.KEY | RefusalKind.BILLING | RefusalKind.REGION:
            return _about_account(refusal, message)
        case RefusalKind.MODEL | RefusalKind.ROUTE:
            return _not_served(refusal, message)
        case RefusalKind.RATE:
            wait_s = rate_limit_reset_s(headers, None) if wait_s is None else wait_s
            return Throttled("the upstream's rate limit is reached", retry_after_s=wait_s, detail=message)
        case RefusalKind.OVERLOAD:
            return Overloaded("the upstream is overloaded", retry_after_s=wait_s, detail=message)
        case RefusalKind.TIMEOUT:
            return TooSlow(f"the upstream timed out (status {status})", detail=message)
        case RefusalKind.FAILURE:
            return BadUpstreamResponse(f"the upstream failed with status {status}", retry_after_s=wait_s, detail=message)


def _rejected(refusal: RefusalKind, status: int, headers: Mapping[str, str], body: bytes, dialect: str) -> UpstreamRejected:
    """The error for a refused request. For a prompt that is too long, it has the code and the words on which agents compact."""
    message = f"the upstream refused the request with status {status}"
    if refusal is RefusalKind.CONTENT and not body:
        message = "the firewall in front of the upstream refused the request"
    if refusal is RefusalKind.CONTEXT:
        error_body = read_error_body(body)
        status, body = status if status < 500 else 400, context_error_body(body, dialect)
        message = normalize_too_long("" if error_body is None else error_body.message)
    error = UpstreamRejected(message, status=status, body=body, headers=headers, dialect=dialect)
    _set_refusal(error, refusal)
    return error


def _set_refusal(error: UpstreamRejected, refusal: RefusalKind) -> None:
    """Note what was refused, with the code by which clients know it."""
    error.refusal = refusal
    if refusal is RefusalKind.CONTEXT:
        error.code = CONTEXT_CODE
    elif refusal is RefusalKind.CONTENT:
        error.code = CONTENT_CODE


def context_error_body(body: bytes, dialect: str) -> bytes:
    """Rewrite an error body about a prompt that is too long so that agents know it: OpenAI's by its code, Anthropic's by its words.

    A body that has them already is returned as it is; b"" if the writer of the client's dialect must encode the error anew.
    """
    error_body = read_error_body(body)
    if error_body is None:
        return b""
    if dialect in {"openai", "responses"} and error_body.code != CONTEXT_CODE:
        with_code = _with_context_code(body)
        return with_code or openai_body(error_body.message, "invalid_request_error", CONTEXT_CODE, param=error_body.param)
    if dialect == "anthropic" and "prompt is too long" not in error_body.message:
        return b""
    return body


def _with_context_code(body: bytes) -> bytes | None:
    """The server's own error object with the code by which agents know it; None if it has no such object."""
    decoded = load_object(body)
    error = None if decoded is None else decoded.get("error")
    if decoded is None or not isinstance(error, dict):
        return None
    return msgspec.json.encode({**decoded, "error": {**cast("dict[str, Any]", error), "code": CONTEXT_CODE}})


_ACCOUNT_MESSAGES: Mapping[RefusalKind, str] = {
    RefusalKind.KEY: "the upstream refuses the gateway's credentials; this is not about your key",
    RefusalKind.BILLING: "the gateway's account at the upstream has no credit or quota left; this is not about your key",
    RefusalKind.REGION: "the upstream does not serve the gateway's country or region",
}


def _about_account(refusal: RefusalKind, detail: str) -> UpstreamAuthError:
    error = UpstreamAuthError(_ACCOUNT_MESSAGES[refusal], detail=detail)
    error.refusal = refusal
    return error


def _not_served(refusal: RefusalKind, detail: str) -> NotServed:
    what = "model" if refusal is RefusalKind.MODEL else "address"
    error = NotServed(f"the upstream does not have the {what} that the gateway is configured to ask for", detail=detail)
    error.refusal = refusal
    return error


def find_failure(data: bytes) -> Failed | None:
    """The event for a frame or a body without any part of a response, if it reports a failure; None: it reports none."""
    value = load_object(data)
    return read_failed_event(data) if value is not None and reports_failure(value) else None


OUT_OF_BAND = frozenset({"error", BARE})
"""Names of the frames in which servers of every format report a failure instead of an event of their format."""


def out_of_band_failure(name: str, data: bytes) -> Failed | None:
    """The event for a frame named in `OUT_OF_BAND`; None: it reports no failure, which only bare JSON may do."""
    return read_failed_event(data) if name == "error" else find_failure(data)


def read_event(decoder: msgspec.json.Decoder[T], data: bytes) -> T:
    """Decode one event of a stream. Raises BadUpstreamResponse for another value, or the UpstreamError that it reports."""
    try:
        return read_response(decoder, data, "stream")
    except BadUpstreamResponse:
        failed = find_failure(data)
        if failed is None:
            raise
        raise error_from_event(failed) from None


def read_failed_event(body: bytes) -> Failed:
    """Build the event for an error that the upstream sent in a stream or in place of a response, as JSON or as text."""
    error = read_error_body(body) or UpstreamErrorBody(message=body[:MAX_MESSAGE_CHARS].decode("utf-8", "replace").strip())
    status = int(error.code) if _STATUS.fullmatch(error.code) else IN_RESPONSE
    refusal = refusal_of(status, error.label, error.message)
    if refusal is RefusalKind.FAILURE:  # says no more than that there was an error; the words may
        refusal = refusal_of(IN_RESPONSE, error.label, error.message)
    if refusal is RefusalKind.CONTEXT:
        return Failed("invalid_request_error", normalize_too_long(error.message), CONTEXT_CODE)
    code = CONTENT_CODE if refusal is RefusalKind.CONTENT else error.code or None
    kind = "request_too_large" if "request_too_large" in error.label or status == 413 else _KINDS[refusal]
    if refusal is RefusalKind.REQUEST and (status == 404 or "not_found" in error.label.lower()):
        kind = "not_found_error"
    return Failed(kind, error.message or "the upstream reported an error", code)


def error_from_event(failed: Failed) -> UpstreamError:
    """The UpstreamError for an error in place of a response, so that the gateway can try the next endpoint."""
    match failed.kind:
        case "rate_limit_error":
            return Throttled("the upstream's rate limit is reached", detail=failed.message)
        case "overloaded_error":
            return Overloaded("the upstream is overloaded", detail=failed.message)
        case "timeout_error":
            return TooSlow("the upstream timed out", detail=failed.message)
        case "authentication_error" | "permission_error":
            return _about_account(RefusalKind.KEY, failed.message)
        case "billing_error":
            return _about_account(RefusalKind.BILLING, failed.message)
        case _ if failed.code in REQUEST_FAULTS:
            return build_rejection(failed)
        case "not_found_error" if refusal_of(IN_RESPONSE, failed.code or "", failed.message) is RefusalKind.MODEL:
            return _not_served(RefusalKind.MODEL, failed.message)
        case _ if failed.kind in _REJECTED_STATUS:
            rejection = build_rejection(failed, _REJECTED_STATUS[failed.kind])
            rejection.retryable = True  # it had begun to answer: another endpoint may take the request
            return rejection
        case _:
            return BadUpstreamResponse("the upstream returned an error in place of a response", detail=failed.message)


def build_rejection(failed: Failed, status: int = 400) -> UpstreamRejected:
    """Build the error for a request that the upstream rejected, with a body in OpenAI's format."""
    body = openai_body(failed.message, OPENAI_TYPES.get(failed.kind, failed.kind), failed.code)
    rejection = UpstreamRejected(
        failed.message, status=status, body=body, headers={"content-type": "application/json"}, dialect="openai"
    )
    if failed.code in {CONTEXT_CODE, CONTENT_CODE}:
        _set_refusal(rejection, RefusalKind.CONTEXT if failed.code == CONTEXT_CODE else RefusalKind.CONTENT)
    elif failed.code in REQUEST_FAULTS:
        rejection.code = failed.code
    return rejection
