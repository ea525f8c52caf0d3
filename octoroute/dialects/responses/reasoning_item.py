"""Reasoning items of an endpoint, carried by clients of other formats as the signature of thinking, and sent back. Pure.

The encrypted reasoning of OpenAI's models is valid at OpenAI only, together with the id of its item.
"""

from __future__ import annotations

from typing import Any

ORIGIN = "responses"
"""`Thinking.origin` of a signature made here."""
_SEPARATOR = "."


def pack_reasoning(id: str | None, encrypted: str) -> str:
    """The signature of the item's summary."""
    return f"{id or ''}{_SEPARATOR}{encrypted}"


def unpack_reasoning(text: str, signature: str) -> dict[str, Any]:
    """The item whose summary is `text`."""
    id, _, encrypted = signature.partition(_SEPARATOR)
    summary = [{"type": "summary_text", "text": text}] if text else []
    item: dict[str, Any] = {"type": "reasoning", "summary": summary, "encrypted_content": encrypted}
    return {"id": id, **item} if id else item
