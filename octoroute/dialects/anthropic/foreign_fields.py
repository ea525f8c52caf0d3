"""Removes thinking blocks from a Messages body; all other content keeps its bytes. Pure.

Anthropic verifies the signature of every thinking block. It rejects those made here (from another provider's thinking), and genuine
ones if the messages before them changed or another account's model made them.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from octoroute.dialects.request.body import RequestBody
from octoroute.dialects.request.thinking_signatures import MARK

_MARK = MARK.encode()
_MESSAGES = msgspec.json.Decoder(list[dict[str, msgspec.Raw]])
_BLOCKS = msgspec.json.Decoder(list[msgspec.Raw])
_DISABLED = b'{"type":"disabled"}'


class _BlockHead(msgspec.Struct):
    type: str = ""
    signature: str | None = None


_BLOCK_HEAD = msgspec.json.Decoder(_BlockHead)


def remove_thinking(body: RequestBody, *, every: bool = False) -> Mapping[str, bytes | None]:
    """Return the changes for `RequestBody.with_values`; empty if there is nothing to remove. `every`: also genuine thinking."""
    messages = body.values.get("messages")
    if messages is None or not (every or _MARK in bytes(messages)):
        return {}
    try:
        return _changes(body, _MESSAGES.decode(messages), every=every)
    except (ValueError, RecursionError):
        return {}  # malformed messages: the endpoint reports the error


def _changes(body: RequestBody, messages: list[dict[str, msgspec.Raw]], *, every: bool) -> Mapping[str, bytes | None]:
    remaining: list[bytes] = []
    changed = unanswered = False
    for message in messages:
        content, removed, calls = _filter_blocks(message.get("content"), every=every)
        changed = changed or removed
        if not removed:
            remaining.append(msgspec.json.encode(message))
        elif content != b"[]":
            remaining.append(msgspec.json.encode({**message, "content": msgspec.Raw(content)}))
        if bytes(message.get("role", b"")) == b'"assistant"':
            unanswered = removed and calls
    if not changed:
        return {}
    changes: dict[str, bytes | None] = {"messages": b"[" + b",".join(remaining) + b"]"}
    if "thinking" in body.values and (every or (unanswered and b"enabled" in bytes(body.values["thinking"]))):
        changes["thinking"] = _DISABLED  # with thinking on, a turn with tools must begin with a thinking block
    return changes


def _filter_blocks(content: msgspec.Raw | None, *, every: bool) -> tuple[bytes, bool, bool]:
    """Return (content, whether blocks were removed, whether it calls tools)."""
    if content is None:
        return b"", False, False
    raw = bytes(content)
    if not raw.startswith(b"[") or not (every or _MARK in raw):
        return raw, False, False
    remaining: list[bytes] = []
    calls = False
    blocks = _BLOCKS.decode(raw)
    for block in blocks:
        kind = _BLOCK_HEAD.decode(block)
        calls = calls or kind.type == "tool_use"
        ours = kind.type == "thinking" and (kind.signature or "").startswith(MARK)
        if not (ours or (every and kind.type in {"thinking", "redacted_thinking"})):
            remaining.append(bytes(block))
    return b"[" + b",".join(remaining) + b"]", len(remaining) < len(blocks), calls
