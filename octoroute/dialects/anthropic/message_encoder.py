"""Encodes the turns of a Conversation as the messages of Anthropic's Messages format. Pure."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import Any

import msgspec

from octoroute.dialects.request import media
from octoroute.dialects.request.cache_marks import with_mark
from octoroute.dialects.request.ids import safe_name
from octoroute.dialects.request.message_order import CONTINUE, CONTINUED, NAMES_LOST, NO_OUTPUT, OPENING
from octoroute.dialects.response.tool_arguments import normalize_arguments
from octoroute.domain.conversation import Block, Document, Image, RedactedThinking, Role, Text, Thinking, ToolCall, ToolResult, Turn

Fields = dict[str, Any]


def encode_text(block: Text) -> Fields:
    return with_mark({"type": "text", "text": block.text}, block.cache)


def encode_messages(turns: Sequence[Turn], notes: list[str], *, prefill: bool = True) -> list[Fields]:
    """The turns, in the order of `normalize_turns`, as messages; `notes` collects warnings.

    `prefill`: the model continues a last message of the assistant; otherwise a user message follows it.
    """
    messages: list[Fields] = []
    lost: list[Thinking] = []
    for turn in turns:
        content = _assistant(turn.content, lost) if turn.role is Role.ASSISTANT else _user(turn.content)
        if not content:
            continue
        if not messages and turn.role is Role.ASSISTANT:
            messages.append({"role": "user", "content": OPENING})
        _append(messages, "assistant" if turn.role is Role.ASSISTANT else "user", content)
    if lost:
        notes.append("thinking: earlier thinking of other models is not passed on, this endpoint accepts only its own")
    if any([turn.name for turn in turns]):  # noqa: C419 - faster than a generator
        notes.append(NAMES_LOST)
    _end(messages, notes, prefill=prefill)
    return messages


def _append(messages: list[Fields], role: str, content: list[Fields]) -> None:
    """Add a message, or its content to the last one if that has the same role: an empty turn between them was dropped.

    Anthropic wants thinking at the beginning of its message.
    """
    last = messages[-1] if messages and isinstance(messages[-1]["content"], list) else None
    if last is None or last["role"] != role:
        messages.append({"role": role, "content": content})
    elif _thinks(content[0]) and not _thinks(last["content"][0]):
        messages.append({"role": "user", "content": [{"type": "text", "text": CONTINUE}]})
        messages.append({"role": role, "content": content})
    else:
        last["content"] += content


def _thinks(block: Fields) -> bool:
    return block["type"] in {"thinking", "redacted_thinking"}


def cite_documents(messages: Sequence[Fields]) -> None:
    """Ask for citations of all documents, which Anthropic demands if one is to be cited."""
    for message in messages:
        content: str | list[Fields] = message["content"]
        for block in content if not isinstance(content, str) else ():
            for part in block["content"] if block["type"] == "tool_result" else (block,):
                if part["type"] == "document":
                    part["citations"] = {"enabled": True}


def _end(messages: list[Fields], notes: list[str], *, prefill: bool) -> None:
    """Make the last message one that the model accepts as the last."""
    if prefill or not messages or messages[-1]["role"] != "assistant":
        _trim_last(messages)
        return
    messages.append({"role": "user", "content": [{"type": "text", "text": CONTINUE}]})
    notes.append(CONTINUED)


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
            if block.is_error:  # an error must say something
                result |= {"content": inner or [{"type": "text", "text": NO_OUTPUT}], "is_error": True}
            content.append(with_mark(result, block.cache))
        elif (encoded := _part(block)) is not None:
            content.append(encoded)
    return content


def _part(block: Block) -> Fields | None:
    match block:
        case Text():
            return encode_text(block) if block.text.strip() else None
        case Image(url=str(url)):
            return with_mark({"type": "image", "source": {"type": "url", "url": url}}, block.cache)
        case Image():
            source = {"type": "base64", "media_type": block.media_type, "data": block.data}
            return with_mark({"type": "image", "source": source}, block.cache)
        case Document():
            named = {name: value for name, value in (("title", block.title), ("context", block.context)) if value}
            return with_mark({"type": "document", "source": encode_source(block) or encode_file(block), **named}, block.cache)
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


def encode_file(document: Document) -> Fields:
    """The `source` of a document of any type, for endpoints that take more of them than Anthropic."""
    return {"type": "base64", "media_type": document.media_type, "data": document.data}


def _assistant(blocks: Sequence[Block], lost: list[Thinking]) -> list[Fields]:
    """Encode an assistant turn: Anthropic's signed thinking first and unchanged, tool calls last. Other thinking goes to `lost`."""
    first: list[Fields] = []
    middle: list[Fields] = []
    last: list[Fields] = []
    for block in blocks:
        match block:
            case Thinking(text=text, signature=str(signature), origin="anthropic"):
                first.append({"type": "thinking", "thinking": text, "signature": signature})
            case RedactedThinking(data=data):
                first.append({"type": "redacted_thinking", "data": data})
            case Thinking(text=text, signature=signature) if text or signature:
                lost.append(block)
            case Text(text=text) if text.strip():
                middle.append(encode_text(block))
            case ToolCall():
                arguments = msgspec.Raw(normalize_arguments(block.arguments).encode())
                call = {"type": "tool_use", "id": block.id, "name": safe_name(block.name), "input": arguments}
                last.append(with_mark(call, block.cache))
            case _:
                pass
    return [*first, *middle, *last]
