"""Bodies as the SQL stores hold them, compressed; and the search for a text in them. Pure.

A part is a byte for its format, six bytes with the length that it had on the wire (0: it is whole), and the data.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from typing import Any, cast

import msgspec

from octoroute.store.base import Body, HistoryEntry
from octoroute.store.vault import NO_VAULT, Vault

REQUEST_COLUMN, RESPONSE_COLUMN = "bodies.request", "bodies.response"
_PLAIN, _ZLIB = b"\x00", b"\x01"
_SIZE_BYTES = 6
_HEAD_BYTES = 1 + _SIZE_BYTES
_MIN_COMPRESSED = 200
"""Shorter data hardly gets smaller."""
_TEXT_KEYS = frozenset(
    {"content", "text", "delta", "thinking", "reasoning", "reasoning_content", "arguments", "partial_json", "response"}
)
"""Under which the dialects' streams have pieces of text."""
_MAX_DEPTH = 8


def pack_body(body: Body, vault: Vault = NO_VAULT, seq: int = 0) -> tuple[bytes, bytes]:
    """`seq`: of the row, to which the sealed parts are bound."""
    request, response = _pack(body.request, body.request_size), _pack(body.response, body.response_size)
    return vault.seal(REQUEST_COLUMN, str(seq), request), vault.seal(RESPONSE_COLUMN, str(seq), response)


def unpack_body(request: bytes, response: bytes, vault: Vault = NO_VAULT, seq: int = 0) -> Body:
    """Raises UnopenedValue."""
    (given, given_size) = _unpack(vault.open(REQUEST_COLUMN, str(seq), request))
    (answer, answer_size) = _unpack(vault.open(RESPONSE_COLUMN, str(seq), response))
    return Body(request=given, response=answer, request_size=given_size, response_size=answer_size)


def _pack(data: bytes, size: int | None) -> bytes:
    length = (size or 0).to_bytes(_SIZE_BYTES, "big")
    if len(data) >= _MIN_COMPRESSED:
        packed = zlib.compress(data, 1)
        if len(packed) < len(data):
            return _ZLIB + length + packed
    return _PLAIN + length + data


def _unpack(part: bytes) -> tuple[bytes, int | None]:
    data = part[_HEAD_BYTES:]
    return zlib.decompress(data) if part[:1] == _ZLIB else data, int.from_bytes(part[1:_HEAD_BYTES], "big") or None


def without_body(entry: HistoryEntry) -> HistoryEntry:
    return entry if entry.body is None else msgspec.structs.replace(entry, body=None)


def body_has(body: Body, text: str) -> bool:
    """Whether the text occurs, whatever the case of ASCII letters: as it is, escaped in JSON, or across the events of a stream."""
    wanted = text.encode(errors="replace").lower()
    escaped = {json.dumps(text, ensure_ascii=ascii_only)[1:-1] for ascii_only in (True, False)}
    needles = {wanted, *(one.encode(errors="replace").lower() for one in escaped)}
    parts = body.request.lower(), body.response.lower()
    return any(needle in part for needle in needles for part in parts) or wanted in streamed_text(body.response).lower()


def streamed_text(response: bytes) -> bytes:
    """The pieces of text in a stream's events, joined; nothing of what is no stream of SSE or JSON lines."""
    if not response.startswith((b"data:", b"event:", b":", b"id:")) and b"}\n{" not in response:
        return b""
    found: list[str] = []
    for line in response.splitlines():
        data = line.removeprefix(b"data:").strip()
        if data.startswith((b"{", b"[")):
            try:
                event = msgspec.json.decode(data)
            except (ValueError, RecursionError):  # the limit cut it off
                continue
            found += _texts(event, 0)
    return "".join(found).encode(errors="replace")


def _texts(value: Any, depth: int) -> Iterator[str]:
    if depth > _MAX_DEPTH:
        return
    if isinstance(value, list):
        for item in cast("list[Any]", value):
            yield from _texts(item, depth + 1)
    elif isinstance(value, dict):
        for name, item in cast("dict[str, Any]", value).items():
            if not isinstance(item, str):
                yield from _texts(item, depth + 1)
            elif name in _TEXT_KEYS:
                yield item


class _UserId(msgspec.Struct):
    user_id: str | None = None


class _UserFields(msgspec.Struct):
    """Where clients of each format name their end user."""

    user: str | None = None
    safety_identifier: str | None = None
    metadata: _UserId | None = None


_USER_FIELDS = msgspec.json.Decoder(_UserFields)
_USER_NAMES = tuple(f'"{name}":{space}'.encode() for name in ("user", "safety_identifier", "user_id") for space in ("", " "))


def users_of(body: bytes) -> set[str]:
    """The end users that a request, or a response object, names; none if it was cut off."""
    try:
        found = _USER_FIELDS.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return set()
    return {user for user in (found.user, found.safety_identifier, found.metadata and found.metadata.user_id) if user}


def names_user(body: bytes, user: str) -> bool:
    """Whether a request, or a response object, is of this end user; one that was cut off, if the name stands in what is left."""
    if user in users_of(body):
        return True
    quoted = msgspec.json.encode(user.encode("utf-8", "replace").decode())
    return not body.endswith(b"}") and any(name + quoted in body for name in _USER_NAMES)
