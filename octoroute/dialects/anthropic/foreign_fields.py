"""Removes thinking blocks, and citations made here, from a Messages body; all other content keeps its bytes. Pure.

Anthropic verifies the signature of every thinking block. It rejects those made here (from another provider's thinking), and genuine
ones if the messages before them changed or another account's model made them. A citation names what only Anthropic can look up.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from octoroute.dialects.request.body import RequestBody
from octoroute.dialects.request.thinking_signatures import MARK

_MARK = MARK.encode()
_MESSAGES = msgspec.json.Decoder(list[dict[str, msgspec.Raw]])
_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_BLOCKS = msgspec.json.Decoder(list[msgspec.Raw])
_DISABLED = b'{"type":"disabled"}'


class _BlockHead(msgspec.Struct):
    type: str = ""
    signature: str | None = None
    citations: msgspec.Raw = msgspec.Raw(b"")


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
        content, edited, removed = _filter_blocks(message.get("content"), every=every)
        changed = changed or edited
        if not edited:
            remaining.append(msgspec.json.encode(message))
        elif content != b"[]":
            remaining.append(msgspec.json.encode({**message, "content": msgspec.Raw(content)}))
        if bytes(message.get("role", b"")) == b'"assistant"':
            unanswered = removed
    if not changed:
        return {}
    changes: dict[str, bytes | None] = {"messages": b"[" + b",".join(remaining) + b"]"}
    if "thinking" in body.values and (every or (unanswered and b"enabled" in bytes(body.values["thinking"]))):
        changes["thinking"] = _DISABLED  # with thinking on, a turn with tools must begin with a thinking block
    return changes


def _filter_blocks(content: msgspec.Raw | None, *, every: bool) -> tuple[bytes, bool, bool]:
    """Return (content, whether it was changed, whether blocks of a turn that calls tools were removed)."""
    if content is None:
        return b"", False, False
    raw = bytes(content)
    if not raw.startswith(b"[") or not (every or _MARK in raw):
        return raw, False, False
    remaining: list[bytes] = []
    calls = edited = False
    blocks = _BLOCKS.decode(raw)
    for raw_block in blocks:
        block, kind = raw_block, _BLOCK_HEAD.decode(raw_block)
        calls = calls or kind.type == "tool_use"
        ours = kind.type == "thinking" and (kind.signature or "").startswith(MARK)
        if kind.type == "text" and _MARK in bytes(kind.citations):
            block = _without_citations(block)
            edited = True
        if not (ours or (every and kind.type in {"thinking", "redacted_thinking"})):
            remaining.append(bytes(block))
    removed = len(remaining) < len(blocks)
    return b"[" + b",".join(remaining) + b"]", edited or removed, removed and calls


def _without_citations(block: msgspec.Raw) -> msgspec.Raw:
    fields = _FIELDS.decode(block)
    del fields["citations"]
    return msgspec.Raw(msgspec.json.encode(fields))
