"""Edits texts and parts inside the JSON of one message; every byte that is not replaced stays, white space included. Pure.

Read are the shapes of Chat Completions, Messages, Responses, and Gemini: text or a list of parts, and lists inside tool results.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import msgspec

from octoroute.dialects.request.body import RequestBody
from octoroute.errors import BadRequest

Edit: TypeAlias = Callable[[bytes], bytes]
"""Takes the JSON of a value, and returns its replacement, or the same bytes."""

_LIST = msgspec.json.Decoder(list[msgspec.Raw])
_TEXT = msgspec.json.Decoder(str)
_CONTENT = ("content", "parts", "output")
"""The fields of a message, or of a tool result, that hold its text or parts."""
_TEXT_TYPES = frozenset({None, "text", "input_text"})


def edit_texts(message: bytes, edit: Edit) -> bytes:
    """Apply `edit` to the JSON string of each text that is the message's own, not that of a tool result in it."""

    def edit_part(part: bytes) -> bytes:
        fields = _fields(part)
        if fields is None or type_of(fields) not in _TEXT_TYPES or not _is_string(fields.values.get("text")):
            return part
        return _edited(fields, "text", edit)

    return _edit_content(message, edit, edit_part)


def edit_parts(message: bytes, edit: Edit) -> bytes:
    """Apply `edit` to the JSON of each part of the message, and of each tool result in it."""

    def edit_part(part: bytes) -> bytes:
        fields = _fields(part)
        if fields is not None and type_of(fields) == "tool_result":
            return _edit_content(part, _same, edit)
        return edit(part)

    return _edit_content(message, _same, edit_part)


def part_fields(part: bytes) -> RequestBody | None:
    """The fields of a part; None: it is no JSON object."""
    return _fields(part)


def type_of(fields: RequestBody) -> str | None:
    """The part's `type`; None: it has none."""
    raw = fields.values.get("type")
    return _TEXT.decode(raw) if raw is not None and _is_string(raw) else None


def _edit_content(message: bytes, edit_text: Edit, edit_part: Edit) -> bytes:
    fields = _fields(message)
    if fields is None:
        return message
    for name in _CONTENT:
        value = fields.values.get(name)
        if value is None:
            continue
        if _is_string(value):
            return _edited(fields, name, edit_text)
        if bytes(value)[:1] == b"[":
            return _edited(fields, name, lambda raw: _edit_list(raw, edit_part))
    return message


def _edit_list(raw: bytes, edit: Edit) -> bytes:
    pieces: list[bytes] = []
    at = 0
    for part in _LIST.decode(raw):
        old = bytes(part)
        start = raw.index(old, at)  # only white space and a comma or bracket stand before it
        pieces += (raw[at:start], edit(old))
        at = start + len(old)
    return b"".join((*pieces, raw[at:]))


def _edited(fields: RequestBody, name: str, edit: Edit) -> bytes:
    old = bytes(fields.values[name])
    new = edit(old)
    return fields.raw if new == old else fields.with_values({name: new})


def _fields(raw: bytes) -> RequestBody | None:
    try:
        return RequestBody.parse(raw)
    except BadRequest:
        return None


def _is_string(value: msgspec.Raw | None) -> bool:
    return value is not None and bytes(value)[:1] == b'"'


def _same(raw: bytes) -> bytes:
    return raw
