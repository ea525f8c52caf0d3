"""OpenRouter's and MiniMax's `reasoning_details`: collected from responses, carried by clients as a signature, sent back. Pure.

Signed thinking of other endpoints reaches clients of Chat Completions in the same form: those that know it send it back with tool
results. The `id` of such a detail names the issuer of its signature.

Source: OpenRouter, "Reasoning tokens". The list holds texts, summaries, and encrypted data with signatures; the server wants it
back unchanged. A client of another dialect keeps it as the signature of the thinking; its text is not repeated there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import msgspec

from octoroute.dialects.request.thinking_signatures import MARK, REDACTED
from octoroute.domain.conversation import RedactedThinking, Thinking

ORIGIN = "openrouter"
"""`Thinking.origin` of a signature made here."""
_FORMATS = {"anthropic": "anthropic-claude-v1", "gemini": "google-gemini-v1", "responses": "openai-responses-v1"}
"""OpenRouter's word for each issuer of signatures."""
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


def signed_details(text: str, signature: str, origin: str, index: int) -> list[dict[str, Any]]:
    """Signed thinking for a client. OpenRouter's own goes out as it came."""
    if origin == ORIGIN:
        return unpack_details(signature, text)
    issuer = {"format": _FORMATS.get(origin, "unknown"), "id": MARK + origin, "index": index}
    if text:
        return [{"type": "reasoning.text", "text": text, "signature": signature, **issuer}]
    return [{"type": "reasoning.encrypted", "data": signature, **issuer}]


def redacted_detail(data: str, index: int) -> dict[str, Any]:
    """Anthropic's redacted thinking for a client."""
    return {"type": "reasoning.encrypted", "data": data, "format": _FORMATS["anthropic"], "id": MARK + REDACTED, "index": index}


def read_signed_details(details: Sequence[dict[str, Any]]) -> list[Thinking | RedactedThinking]:
    """The blocks of the details that octoroute gave to the client, in their order; those of other issuers are left out."""
    blocks: list[Thinking | RedactedThinking] = []
    for detail in details:
        id, text, signature, data = (detail.get(key) for key in ("id", "text", "signature", "data"))
        if not isinstance(id, str) or not id.startswith(MARK):
            continue
        origin = id.removeprefix(MARK)
        if isinstance(data, str):
            blocks.append(RedactedThinking(data) if origin == REDACTED else Thinking("", data, origin))
        elif isinstance(text, str) and isinstance(signature, str):
            blocks.append(Thinking(text, signature, origin))
    return blocks


def text_detail(text: str, index: int = 0) -> dict[str, Any]:
    """A detail for thinking without signature."""
    return {"type": "reasoning.text", "text": text, "index": index}


def detail_text(details: Sequence[dict[str, Any]]) -> str:
    """What a user may read of the details."""
    return "".join(value for detail in details if isinstance(value := detail.get("text") or detail.get("summary"), str))


def _differ(one: object, other: object) -> bool:
    return one is not None and other is not None and one != other
