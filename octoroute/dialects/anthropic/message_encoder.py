"""Encodes the turns of a Conversation as the messages of Anthropic's Messages format. Pure."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import Any

import msgspec

from octoroute.dialects.request import media
from octoroute.dialects.request.ids import safe_name
from octoroute.dialects.request.message_order import OPENING
from octoroute.dialects.response.blocks import normalize_arguments
from octoroute.domain.conversation import Block, Document, Image, RedactedThinking, Role, Text, Thinking, ToolCall, ToolResult, Turn

Fields = dict[str, Any]
MAX_CACHE_MARKS = 4
_CACHE = {"type": "ephemeral"}


def encode_text(block: Text) -> Fields:
    return {"type": "text", "text": block.text, **({"cache_control": _CACHE} if block.cache else {})}


def encode_messages(turns: Sequence[Turn]) -> list[Fields]:
    """The turns, in the order of `normalize_turns`, as messages."""
    messages: list[Fields] = []
    for turn in turns:
        content = _assistant(turn.content) if turn.role is Role.ASSISTANT else _user(turn.content)
        if not content:
            continue
        if not messages and turn.role is Role.ASSISTANT:
            messages.append({"role": "user", "content": OPENING})
        role = "assistant" if turn.role is Role.ASSISTANT else "user"
        if messages and messages[-1]["role"] == role and isinstance(messages[-1]["content"], list):
            messages[-1]["content"] += content  # an empty turn between them was dropped
        else:
            messages.append({"role": role, "content": content})
    _trim_last(messages)
    return messages


def _trim_last(messages: list[Fields]) -> None:
    """Strip white space from the end of a last assistant message, which Anthropic rejects."""
    if messages and messages[-1]["role"] == "assistant" and messages[-1]["content"][-1]["type"] == "text":
        last = messages[-1]["content"][-1]
        last["text"] = last["text"].rstrip()


def _user(blocks: Sequence[Block]) -> list[Fields]:
    """Encode a user turn. `normalize_turns` has put the tool results first."""
    content: list[Fields] = []
    for block in blocks:
        if isinstance(block, ToolResult):
            inner = [encoded for part in block.content if (encoded := _part(part)) is not None]
            result: Fields = {"type": "tool_result", "tool_use_id": block.call_id, "content": inner}
            if block.is_error:
                result["is_error"] = True
            content.append(result)
        elif (encoded := _part(block)) is not None:
            content.append(encoded)
    return content


def _part(block: Block) -> Fields | None:
    match block:
        case Text():
            return encode_text(block) if block.text.strip() else None
        case Image(url=str(url)):
            return {"type": "image", "source": {"type": "url", "url": url}}
        case Image():
            return {"type": "image", "source": {"type": "base64", "media_type": block.media_type, "data": block.data}}
        case Document():
            named = {name: value for name, value in (("title", block.title), ("context", block.context)) if value}
            return {"type": "document", "source": encode_source(block), **named}
        case _:
            return None


def encode_source(document: Document) -> Fields | None:
    """The `source` of a document block; None for a media type that Anthropic does not support."""
    if document.text is not None:
        return {"type": "text", "media_type": "text/plain", "data": document.text}
    if document.url is not None:
        return {"type": "url", "url": document.url}
    if document.media_type == media.PDF:
        return {"type": "base64", "media_type": media.PDF, "data": document.data}
    if (document.media_type or "").startswith("text/") or document.media_type == "application/json":
        try:
            return {"type": "text", "media_type": "text/plain", "data": base64.b64decode(document.data or "").decode()}
        except (binascii.Error, UnicodeDecodeError):
            return None
    return None


def _assistant(blocks: Sequence[Block]) -> list[Fields]:
    """Encode an assistant turn: Anthropic's signed thinking first and unchanged, tool calls last."""
    first: list[Fields] = []
    middle: list[Fields] = []
    last: list[Fields] = []
    for block in blocks:
        match block:
            case Thinking(text=text, signature=str(signature), origin="anthropic"):
                first.append({"type": "thinking", "thinking": text, "signature": signature})
            case RedactedThinking(data=data):
                first.append({"type": "redacted_thinking", "data": data})
            case Text(text=text) if text.strip():
                middle.append({"type": "text", "text": text})
            case ToolCall():
                arguments = msgspec.Raw(normalize_arguments(block.arguments).encode())
                last.append({"type": "tool_use", "id": block.id, "name": safe_name(block.name), "input": arguments})
            case _:
                pass
    return [*first, *middle, *last]


def limit_cache_marks(body: Fields) -> None:
    """Remove all but the last four cache marks, Anthropic's maximum; the last ones cover the longest prefixes."""
    blocks: list[Fields] = [*body.get("system", ())]
    for message in body["messages"]:
        blocks += message["content"] if isinstance(message["content"], list) else []
    marks = [block for block in blocks if "cache_control" in block]
    for block in marks[:-MAX_CACHE_MARKS]:
        del block["cache_control"]
