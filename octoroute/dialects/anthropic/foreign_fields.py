"""Thinking taken out of a Messages body, block by block; everything else keeps its bytes. Pure.

Anthropic verifies the signature of every thinking block it is sent. Those made here (from another provider's reasoning) are
refused, and so are genuine ones whose beginning was changed or which another account's model made.
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
    """The changes for `RequestBody.with_values`; none when there is nothing to remove. `every`: genuine thinking too."""
    messages = body.values.get("messages")
    if messages is None or not (every or _MARK in bytes(messages)):
        return {}
    try:
        return _changes(body, _MESSAGES.decode(messages), every=every)
    except (ValueError, RecursionError):
        return {}  # the endpoint will say what is wrong with it


def _changes(body: RequestBody, messages: list[dict[str, msgspec.Raw]], *, every: bool) -> Mapping[str, bytes | None]:
    kept: list[bytes] = []
    changed = unanswered = False
    for message in messages:
        content, lost, calls = _filter_blocks(message.get("content"), every=every)
        changed = changed or lost
        if not lost:
            kept.append(msgspec.json.encode(message))
        elif content != b"[]":
            kept.append(msgspec.json.encode({**message, "content": msgspec.Raw(content)}))
        if bytes(message.get("role", b"")) == b'"assistant"':
            unanswered = lost and calls
    if not changed:
        return {}
    changes: dict[str, bytes | None] = {"messages": b"[" + b",".join(kept) + b"]"}
    if "thinking" in body.values and (every or (unanswered and b"enabled" in bytes(body.values["thinking"]))):
        changes["thinking"] = _DISABLED  # with thinking on, a turn with tools must begin with a thinking block
    return changes


def _filter_blocks(content: msgspec.Raw | None, *, every: bool) -> tuple[bytes, bool, bool]:
    """(content, whether blocks were lost, whether it calls tools)."""
    if content is None:
        return b"", False, False
    raw = bytes(content)
    if not raw.startswith(b"[") or not (every or _MARK in raw):
        return raw, False, False
    kept: list[bytes] = []
    calls = False
    blocks = _BLOCKS.decode(raw)
    for block in blocks:
        kind = _BLOCK_HEAD.decode(block)
        calls = calls or kind.type == "tool_use"
        ours = kind.type == "thinking" and (kind.signature or "").startswith(MARK)
        if not (ours or (every and kind.type in {"thinking", "redacted_thinking"})):
            kept.append(bytes(block))
    return b"[" + b",".join(kept) + b"]", len(kept) < len(blocks), calls
