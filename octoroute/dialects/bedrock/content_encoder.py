"""Blocks of Anthropic's Messages format as blocks of Converse. Pure.

Both formats have the same blocks under other names, so the rules of Claude models stand in one place, Anthropic's encoder.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from typing import Any

from octoroute.dialects.request.cache_marks import LONG, read_mark

Fields = dict[str, Any]
DOCUMENT_FORMATS: Mapping[str, str] = {
    "application/pdf": "pdf",
    "text/csv": "csv",
    "application/msword": "doc",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/vnd.ms-excel": "xls",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "text/html": "html",
    "text/markdown": "md",
    "text/plain": "txt",
}
"""By media type. Other text is sent as `txt`."""
DOCUMENT_TEXT = "(the attached document)"
"""Text of a message that has only documents, which Converse refuses."""
REDACTED_LOST = "thinking: encrypted thinking of another server is not passed on"
_MAX_NAME_CHARS = 200
_NOT_IN_NAMES = re.compile(r"[^a-zA-Z0-9\-()\[\]]+")


def document_format(media_type: str | None) -> str | None:
    """Converse's word for a document's media type; None: it has none."""
    kind = media_type or ""
    return DOCUMENT_FORMATS.get(kind) or ("txt" if kind.startswith("text/") or kind == "application/json" else None)


class ContentEncoder:
    """For one request: the names of its documents must differ. `notes` collects warnings."""

    def __init__(self, notes: list[str]) -> None:
        self._notes = notes
        self._names: set[str] = set()

    def messages(self, messages: Sequence[Fields]) -> list[Fields]:
        encoded: list[Fields] = []
        for message in messages:
            content = self.blocks(message["content"])
            if any("document" in block for block in content) and not any("text" in block for block in content):
                content.append({"text": DOCUMENT_TEXT})
            if content:
                encoded.append({"role": message["role"], "content": content})
        return encoded

    def blocks(self, content: str | Sequence[Fields]) -> list[Fields]:
        """Each block, and after one with a cache mark a cache point."""
        if isinstance(content, str):
            return [{"text": content}]
        encoded: list[Fields] = []
        for block in content:
            part = self._block(block)
            if part is not None:
                encoded += (part, *cache_point(block))
        return encoded

    def _block(self, block: Fields) -> Fields | None:
        match block["type"]:
            case "text":
                return {"text": block["text"]}
            case "image":
                source = block["source"]
                return {"image": {"format": source["media_type"].removeprefix("image/"), "source": {"bytes": source["data"]}}}
            case "document":
                return {"document": self._document(block)}
            case "tool_use":
                return {"toolUse": {"toolUseId": block["id"], "name": block["name"], "input": block["input"]}}
            case "tool_result":
                result: Fields = {"toolUseId": block["tool_use_id"], "content": self._result(block["content"])}
                return {"toolResult": result | {"status": "error"} if block.get("is_error") else result}
            case "thinking":
                return {"reasoningContent": {"reasoningText": {"text": block["thinking"], "signature": block["signature"]}}}
            case "redacted_thinking" if is_base64(block["data"]):
                return {"reasoningContent": {"redactedContent": block["data"]}}
            case _:
                if REDACTED_LOST not in self._notes:
                    self._notes.append(REDACTED_LOST)
                return None

    def _result(self, content: Sequence[Fields]) -> list[Fields]:
        return [part for block in content if (part := self._block(block)) is not None]

    def _document(self, block: Fields) -> Fields:
        source = block["source"]
        data = source["data"]
        if source["type"] == "text":
            data = base64.b64encode(data.encode("utf-8", "replace")).decode()
        document: Fields = {
            "format": document_format(source["media_type"]) or "txt",
            "name": self._name(block.get("title") or ""),
            "source": {"bytes": data},
            **({"citations": {"enabled": True}} if block.get("citations") else {}),
        }
        return document | {"context": block["context"]} if block.get("context") else document

    def _name(self, title: str) -> str:
        """A name of the characters that Converse takes, used once in the request."""
        stem = _NOT_IN_NAMES.sub(" ", title[: 4 * _MAX_NAME_CHARS]).strip()[:_MAX_NAME_CHARS].strip() or "document"
        name, number = stem, 1
        while name in self._names:
            number += 1
            name = f"{stem} ({number})"
        self._names.add(name)
        return name


def cache_point(block: Fields) -> tuple[Fields, ...]:
    """The cache point after an encoded block of Anthropic's format; none if it has no mark."""
    lifetime = read_mark(block.get("cache_control"))
    if not lifetime:
        return ()
    point = {"type": "default", "ttl": LONG} if lifetime == LONG else {"type": "default"}
    return ({"cachePoint": point},)


def is_base64(data: str) -> bool:
    try:
        base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        return False
    return True
