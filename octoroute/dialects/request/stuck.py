"""Detects stuck conversations: tools that keep failing, or a user message that repeats an earlier one. Pure; never raises."""

# ruff: noqa: RUF001 - typed apostrophes are what users write

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from octoroute.dialects.request.body import RequestBody
from octoroute.dialects.request.message_order import ERROR_MARK
from octoroute.domain.request import Facts, Request

_MAX_ITEMS = 60
"""Messages or items that are examined, from the end of the conversation."""
_MIN_CHARS = 12
"""Shorter messages, such as "yes", do not count as repeated."""
_MAX_COMPLAINT_CHARS = 300
_RESULT_HEAD_CHARS = 400

_FIRST_WORD = (
    r"error|exception|failed|failure|fatal|panic|traceback|command failed|permission denied|no such file|not found|timed? ?out"
)
_find_failure = re.compile(
    rf"\A\W{{0,10}}(?:{_FIRST_WORD})\b|\bexit (?:code|status):? ?[1-9]|\btraceback \(most recent call last\)"
    r"|\b(?:returned|exited with) (?:code )?[1-9]",
    re.IGNORECASE,
).search
_STILL = r"still (?:does(?:n['’]?t| not)|is(?:n['’]?t| not)|not|fails?|failing|broken|wrong|the same)\b"
_WRONG = r"(?:that|this|it)(?:['’]?s| is) (?:wrong|incorrect|not (?:right|correct|what i (?:asked|wanted|meant)))"
_find_complaint = re.compile(
    rf"\b(?:{_STILL}|same (?:error|problem|result|mistake)\b|{_WRONG}|(?:does|did)(?:n['’]?t| not) work\b|try again\b"
    r"|you (?:already|just) (?:said|did|tried) that)",
    re.IGNORECASE,
).search


class _Inner(msgspec.Struct):
    type: str = ""
    text: str | None = None
    is_error: bool | None = None
    content: msgspec.Raw = msgspec.Raw(b"null")


class _Response(msgspec.Struct):
    response: msgspec.Raw = msgspec.Raw(b"null")


class _ContentPart(msgspec.Struct):
    """A part of a content of Gemini."""

    text: str | None = None
    camel: _Response | None = msgspec.field(name="functionResponse", default=None)
    snake: _Response | None = msgspec.field(name="function_response", default=None)


class _Item(msgspec.Struct):
    """A message of Chat Completions, Messages, or Ollama, an item of Responses, or a content of Gemini."""

    role: str = ""
    type: str = ""
    content: msgspec.Raw = msgspec.Raw(b"null")
    output: msgspec.Raw = msgspec.Raw(b"null")
    parts: list[_ContentPart] | None = None


_OBJECT = msgspec.json.Decoder(dict[str, Any])
_ITEMS = msgspec.json.Decoder(list[msgspec.Raw])
_ITEM = msgspec.json.Decoder(_Item)
_CONTENT = msgspec.json.Decoder(str | list[_Inner] | None)


def count_recent_failures(request: Request) -> int:
    """Count the failed tool results at the conversation's end: since the last success and the last user text."""
    count = 0
    for failed in _tool_failures(request):
        if not failed:
            break
        count += 1
    return count


def repeats_request(facts: Facts) -> bool:
    """True if the last user message repeats an earlier one or complains about the response to it."""
    last = _normalize(facts.text)
    roles = {role for role, _ in facts.earlier}
    if "assistant" not in roles or len(last) < _MIN_CHARS:
        return False
    if len(last) <= _MAX_COMPLAINT_CHARS and _find_complaint(last):
        return True
    answered = False
    for role, text in reversed(facts.earlier):
        if role == "assistant":
            answered = True
        elif role == "user" and answered and _normalize(text)[:1500] == last[:1500]:
            return True
    return False


def _normalize(text: str) -> str:
    return " ".join(text[:4000].lower().split()).rstrip(" .!?")


def _tool_failures(request: Request) -> Iterator[bool]:
    """For each tool result, latest first, back to the last user text: whether it failed."""
    for item in _items(request):
        if item.type == "function_call_output":
            yield _is_failure(_decode_content(bytes(item.output)))
        elif item.role in {"tool", "function"}:
            yield _is_failure(_decode_content(bytes(item.content)))
        elif item.parts is not None and item.role in {"user", "function"}:
            responses = [response for part in item.parts if (response := part.camel or part.snake) is not None]
            for response in reversed(responses):
                yield _is_failed_response(bytes(response.response))
            if not responses:
                return
        elif item.role == "user":
            content = _decode_content(bytes(item.content))
            results = [inner for inner in content if inner.type == "tool_result"] if isinstance(content, list) else []
            for inner in reversed(results):
                yield bool(inner.is_error) or (inner.is_error is None and _is_failure(_decode_content(bytes(inner.content))))
            if not results:
                return


def _items(request: Request) -> Iterator[_Item]:
    if not isinstance(request.body, RequestBody):
        return
    for name in ("messages", "input", "contents"):
        raw = request.body.values.get(name)
        for item in reversed(_decode_items(b"null" if raw is None else raw)[-_MAX_ITEMS:]):
            try:
                yield _ITEM.decode(item)
            except (msgspec.MsgspecError, RecursionError):
                return


def _decode_items(raw: bytes | msgspec.Raw) -> Sequence[msgspec.Raw]:
    try:
        return _ITEMS.decode(raw)
    except (msgspec.MsgspecError, RecursionError):
        return ()


def _decode_content(raw: bytes) -> str | list[_Inner] | None:
    try:
        return _CONTENT.decode(raw)
    except (msgspec.MsgspecError, RecursionError):
        return None


def _is_failed_response(raw: bytes) -> bool:
    """Google's format has `error` in the place of `output`."""
    try:
        values = _OBJECT.decode(raw)
    except (msgspec.MsgspecError, RecursionError):
        return False
    output = values.get("output")
    if output is None:
        return "error" in values
    return isinstance(output, str) and _is_failure(output)


def _is_failure(content: str | list[_Inner] | None) -> bool:
    text = content if isinstance(content, str) else "\n".join(inner.text or "" for inner in content or ())
    return text.startswith(ERROR_MARK.rstrip()) or _find_failure(text[:_RESULT_HEAD_CHARS]) is not None
