"""Removes from a client's own request what octoroute made and OpenAI would reject; all other items keep their bytes. Pure.

A reasoning item is valid where it was made: OpenAI looks up, or decrypts, those that it is sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeGuard

import msgspec

from octoroute.dialects.request.body import RequestBody
from octoroute.dialects.request.thinking_signatures import MARK, mark_signature
from octoroute.dialects.responses.response import OWN
from octoroute.dialects.responses.schema import INPUT_ITEMS
from octoroute.dialects.responses.state import ItemHead, head_of_item, join_items

_MARK = MARK.encode()
_OWN = mark_signature("", OWN, None)


def remove_own_reasoning(body: RequestBody) -> Mapping[str, bytes | None]:
    """The changes for `RequestBody.with_values`; empty if there is nothing to remove."""
    raw = body.values.get("input")
    if raw is None or _MARK not in bytes(raw):
        return {}
    items = _read(raw)
    kept = [item for item in items if not _is_own(item)]
    return {} if len(kept) == len(items) else {"input": join_items(kept)}


def disown_reasoning(body: RequestBody) -> Mapping[str, bytes | None]:
    """The changes that leave only the text of reasoning, for an endpoint of another account or vendor."""
    raw = body.values.get("input")
    if raw is None or b'"encrypted_content"' not in bytes(raw):
        return {}
    items = _read(raw)
    changed = [_without_encryption(item) for item in items]
    return {} if changed == [bytes(item) for item in items] else {"input": join_items(changed)}


def _read(raw: msgspec.Raw) -> list[msgspec.Raw]:
    try:
        items = INPUT_ITEMS.decode(raw)
    except (ValueError, RecursionError):
        return []  # malformed: the endpoint reports the error
    return items if isinstance(items, list) else []


def _is_own(item: msgspec.Raw) -> bool:
    head = head_of_item(item)
    return _is_reasoning(head) and str(head.encrypted_content).startswith(MARK)


def _without_encryption(item: msgspec.Raw) -> bytes:
    head = head_of_item(item)
    if not _is_reasoning(head) or head.encrypted_content is None or str(head.encrypted_content).startswith(MARK):
        return bytes(item)
    return RequestBody.parse(bytes(item)).with_values({"encrypted_content": msgspec.json.encode(_OWN)})


def _is_reasoning(head: ItemHead | None) -> TypeGuard[ItemHead]:
    return head is not None and head.type == "reasoning"
