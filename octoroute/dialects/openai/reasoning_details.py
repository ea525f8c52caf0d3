"""OpenRouter's and MiniMax's `reasoning_details`: collected from responses, carried by clients as a signature, sent back. Pure.

Source: OpenRouter, "Reasoning tokens". The list holds texts, summaries, and encrypted data with signatures; the server wants it
back unchanged. A client of another dialect keeps it as the signature of the thinking; its text is not repeated there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import msgspec

ORIGIN = "openrouter"
"""`Thinking.origin` of a signature made here."""
_JOINED = ("text", "summary", "data")
_DETAILS = msgspec.json.Decoder(list[dict[str, Any]])


class DetailCollector:
    """The details of one response. Deltas of one detail have the same type and index, or follow each other without an index."""

    __slots__ = ("_details",)

    def __init__(self) -> None:
        self._details: list[dict[str, Any]] = []

    def add(self, details: Sequence[object]) -> None:
        for detail in details:
            if isinstance(detail, dict):
                self._add(cast("dict[str, Any]", detail))

    def _add(self, detail: dict[str, Any]) -> None:
        key = (detail.get("type"), detail.get("index"))
        last = self._details[-1] if self._details else None
        if last is None or (last.get("type"), last.get("index")) != key or _differ(last.get("id"), detail.get("id")):
            self._details.append(dict(detail))
            return
        for name, value in detail.items():
            before = last.get(name)
            last[name] = (
                before + value if name in _JOINED and isinstance(before, str) and isinstance(value, str) else value or before
            )

    def pack(self) -> str | None:
        """The signature of the thinking, and a new start; None if the text alone says everything."""
        details, self._details = self._details, []
        return pack_details(details)


def pack_details(details: Sequence[dict[str, Any]]) -> str | None:
    """The details as a signature; None if the text alone says everything. A single text is left out: the thinking holds it."""
    if not any(detail.get("signature") or detail.get("data") for detail in details):
        return None
    if sum(isinstance(detail.get("text"), str) for detail in details) == 1:
        details = [{name: value for name, value in detail.items() if name != "text"} for detail in details]
    return msgspec.json.encode(details).decode()


def unpack_details(signature: str, text: str) -> list[dict[str, Any]]:
    """The details of a signature made here and the thinking's text; empty if the signature is not valid."""
    try:
        details = _DETAILS.decode(signature)
    except (ValueError, RecursionError):
        return []
    for detail in details:
        if detail.get("type") == "reasoning.text" and "text" not in detail:
            detail["text"] = text
            break
    return details


def text_detail(text: str, index: int = 0) -> dict[str, Any]:
    """A detail for thinking without signature."""
    return {"type": "reasoning.text", "text": text, "index": index}


def detail_text(details: Sequence[dict[str, Any]]) -> str:
    """What a user may read of the details."""
    return "".join(value for detail in details if isinstance(value := detail.get("text") or detail.get("summary"), str))


def _differ(one: object, other: object) -> bool:
    return one is not None and other is not None and one != other
