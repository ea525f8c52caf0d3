"""Finds the error in a JSON value of unknown shape: servers report failures in many ways, also with status 200. Pure.

Shapes: `error` as an object (OpenAI, Anthropic, Google), a text (Ollama), or both in one another; `detail` (FastAPI, RFC 9457);
`object` or `type` of "error" (vLLM, Anthropic); `message` with a code (gateways, Alibaba); `base_resp` (MiniMax); `success: false`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, TypeAlias, cast

import msgspec

Fields: TypeAlias = Mapping[str, object]

_ANYTHING = msgspec.json.Decoder()
_MESSAGES = ("message", "msg", "detail", "error_msg", "error_message", "errorMessage", "status_msg", "err_msg", "Message", "title")
_TYPES = ("type", "status", "error_type", "err_type", "__type")
_CODES = ("code", "status_code", "error_code", "statusCode", "errcode", "err_code", "Code", "status")
_STATED = ("error_msg", "error_message", "errorMessage", "err_msg", "error_code", "errcode", "err_code")
"""Fields that stand only in errors."""
_INNER = ("error", "Error", "errors", "detail", "base_resp", "response", "Response")
"""Members that may hold the error one level down."""
_NO_ERROR = frozenset({"", "0", "200", "success", "succeeded", "ok", "none", "null"})
_FAILED_WORDS = frozenset({"error", "failed", "failure", "fail"})
_MAX_DEPTH = 4
_MIN_ERROR_STATUS = 400

_MINIMAX_TYPES: Mapping[int, str] = {
    1001: "timeout_error",
    1002: "rate_limit_error",
    1004: "authentication_error",
    1008: "insufficient_balance",
    1026: "content_filter",
    1027: "content_filter",
    1039: "rate_limit_error",
    1041: "rate_limit_error",
    2013: "invalid_request_error",
    2049: "authentication_error",
    2056: "rate_limit_error",
}
"""MiniMax's codes in `base_resp`. Source: platform.minimax.io, "Error codes"."""


class ErrorShape(NamedTuple):
    """What an error says; each part is "" or empty if it does not say it."""

    message: str
    type: str
    code: str
    param: str | None
    details: tuple[object, ...]


def load_object(data: bytes | str) -> Fields | None:
    """The JSON object in `data`, or the first one of a list (Google); None: it holds none."""
    try:
        value = _ANYTHING.decode(data)
    except (ValueError, RecursionError):
        return None
    return _object_in(value)


def _object_in(value: object) -> Fields | None:
    if isinstance(value, list):
        value = next(iter(cast("list[object]", value)), None)
    return cast("Fields", value) if isinstance(value, dict) else None


def reports_failure(value: Fields) -> bool:
    """Whether an object that holds no part of a response reports a failure. An unknown event is none."""
    if value.get("error") or value.get("errors") or value.get("Error") or value.get("error") == {}:
        return True
    if any(not _is_success(value.get(name)) for name in _STATED) or is_failed_base(value.get("base_resp")):
        return True
    if value.get("success") is False or value.get("ok") is False:
        return True
    words = [str(value[name]).lower() for name in ("object", "type", "event", "status") if isinstance(value.get(name), str)]
    if any(word in _FAILED_WORDS or word.endswith(("error", "exception")) for word in words):
        return True
    if any(_is_error_status(value.get(name)) for name in ("code", "status", "status_code", "statusCode")):
        return True
    message = next((value[name] for name in ("message", "msg", "detail") if value.get(name)), None)
    if message is None or "type" in value or "object" in value:
        return False
    if "code" in value:
        return not _is_success(value["code"])
    return "detail" in value or (isinstance(message, str) and "status" not in value)


def is_failed_base(value: object) -> bool:
    """Whether `base_resp`, which MiniMax sends with every response, reports a failure."""
    return isinstance(value, dict) and not _is_success(cast("Fields", value).get("status_code"))


def _is_success(value: object) -> bool:
    return not value or str(value).lower() in _NO_ERROR


def _is_error_status(value: object) -> bool:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) == 3:
        value = int(value)
    return type(value) is int and value >= _MIN_ERROR_STATUS


def read_shape(value: Fields) -> ErrorShape:
    """The error's parts, each from the innermost object that has it."""
    levels = list(_levels(value, _MAX_DEPTH))[::-1]
    message = next((found for level in levels if (found := _message(level))), "")
    message = next((raw for level in reversed(levels) if (raw := _raw_cause(level))), message)
    details = next((cast("list[object]", found) for level in levels if isinstance(found := level.get("details"), list)), ())
    base = next((level for level in levels if "status_msg" in level), None)
    vendor_code = base.get("status_code") if base is not None else None
    vendor_type = _MINIMAX_TYPES.get(vendor_code, "") if isinstance(vendor_code, int) else ""
    return ErrorShape(
        message=message,
        type=vendor_type or next((found for level in levels if (found := _first(level, _TYPES, "error", "about:blank"))), ""),
        code=next((found for level in levels if (found := _first(level, _CODES, "error"))), ""),
        param=_param(levels),
        details=tuple(details),
    )


def _param(levels: Sequence[Fields]) -> str | None:
    return next((param for level in levels if isinstance(param := level.get("param"), str)), None)


def _levels(value: Fields, depth: int) -> Iterator[Fields]:
    """The object, then the errors within it, from the outside inwards."""
    yield value
    if not depth:
        return
    for name in _INNER:
        inner = value.get(name)
        if name == "detail" and isinstance(inner, list):
            continue  # FastAPI's list of problems is a message
        if isinstance(inner, str) and inner.lstrip()[:1] == "{":
            inner = load_object(inner)
        found = _object_in(inner)
        if found:
            yield from _levels(found, depth - 1)
            return


def _message(level: Fields) -> str:
    for name in _MESSAGES:
        found = level.get(name)
        if isinstance(found, str) and found:
            return _unwrap(found)
        if isinstance(found, (list, dict)) and found and name != "title" and not _holds_error(name, cast("object", found)):
            return msgspec.json.encode(found).decode()
    error = level.get("error")
    if isinstance(error, str):
        return _unwrap(error)
    if isinstance(error, list):
        return "; ".join(item for item in cast("list[object]", error) if isinstance(item, str))
    return ""


def _holds_error(name: str, value: object) -> bool:
    """Whether the member is an inner level, whose own message counts."""
    return name in _INNER and isinstance(value, dict)


def _unwrap(text: str) -> str:
    """The message within a message that is itself an error as JSON, as gateways write it."""
    if text.lstrip()[:1] not in {"{", "["}:
        return text
    inner = load_object(text)
    return (read_shape(inner).message if inner is not None and reports_failure(inner) else "") or text


def _raw_cause(level: Fields) -> str:
    """OpenRouter's `metadata.raw`: the provider's own error, where the message only says that there was one."""
    metadata = level.get("metadata")
    raw = cast("Fields", metadata).get("raw") if isinstance(metadata, dict) else None
    if not isinstance(raw, str) or not raw:
        return ""
    inner = load_object(raw)
    return read_shape(inner).message if inner is not None else raw


def _first(level: Fields, names: Sequence[str], *unless: str) -> str:
    """The first text among the fields `names` that is not in `unless`; a number counts only as a code."""
    for name in names:
        value = level.get(name)
        if isinstance(value, int) and not isinstance(value, bool) and names is _CODES:
            return str(value)
        if isinstance(value, str) and value and value not in unless:
            return value
    return ""
