"""Encodes the turns of a Conversation as Chat Completions messages, with the quirks of a server. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from octoroute.dialects.openai.compat import Quirks
from octoroute.dialects.request import json_schema, media, message_order
from octoroute.dialects.request.ids import safe_name
from octoroute.dialects.response.blocks import normalize_arguments
from octoroute.domain.conversation import (
    Audio,
    Block,
    Conversation,
    Document,
    Image,
    Role,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    Turn,
)

Fields = dict[str, Any]


def encode_messages(conversation: Conversation, quirks: Quirks, notes: list[str]) -> list[Fields]:
    """The system text and all turns as messages; `notes` collects warnings."""
    place: message_order.MidSystem = "keep" if quirks.mid_system == "developer" else quirks.mid_system
    conversation = message_order.normalize_turns(conversation, mid_system=place, id_limit=quirks.id_limit)
    system = message_order.join_text(conversation.system)
    if conversation.format is not None and quirks.structured_output != "json_schema":
        system = "\n\n".join(filter(None, (system, _instruction(conversation, quirks))))
    messages: list[Fields] = []
    if system:
        messages.append({"role": quirks.system_role, "content": _text_content(system, quirks)})
    for turn in conversation.turns:
        if turn.role is Role.SYSTEM:
            role = "developer" if quirks.mid_system == "developer" else "system"
            messages.append({"role": role, "content": _text_content(message_order.join_text(turn.content), quirks)})
        elif turn.role is Role.USER:
            messages += _user_messages(turn, quirks)
        else:
            messages.append(_assistant_message(turn, quirks))
    if conversation.turns and conversation.turns[-1].role is Role.ASSISTANT:
        notes.append("prefill: this endpoint may not continue the last assistant message")
    return messages


def _instruction(conversation: Conversation, quirks: Quirks) -> str:
    response_format = conversation.format
    if response_format is None or response_format.schema is None:
        return json_schema.JSON_INSTRUCTION if quirks.structured_output == "prompt" else ""
    return json_schema.describe_in_words(response_format.schema)


def _text_content(text: str, quirks: Quirks) -> str | list[Fields]:
    return [{"type": "text", "text": text}] if quirks.content_parts else text


def _user_messages(turn: Turn, quirks: Quirks) -> list[Fields]:
    """Tool messages in the order of the calls, then a user message that begins with the images that tools returned."""
    messages: list[Fields] = []
    parts: list[Block] = []
    for block in turn.content:
        if not isinstance(block, ToolResult):
            continue
        images = [part for part in block.content if isinstance(part, Image)]
        text = message_order.result_text(block)
        if images:
            name = block.name or "a tool"
            text = text or f"(the image that {name} returned follows)"
            parts += [Text(f"(image returned by {name}, call {block.call_id})"), *images]
        if block.is_error:
            text = message_order.ERROR_MARK + text
        if not text and not quirks.empty_tool_content:
            text = message_order.NO_OUTPUT
        messages.append({"role": "tool", "tool_call_id": block.call_id, "content": text})
    parts += [block for block in turn.content if not isinstance(block, ToolResult)]
    content = _content(parts, quirks)
    if content:
        message: Fields = {"role": "user", "content": content}
        if turn.name:
            message["name"] = turn.name
        messages.append(message)
    return messages


def _content(blocks: Sequence[Block], quirks: Quirks) -> str | list[Fields]:
    blocks = [block for block in blocks if not (isinstance(block, Text) and not block.text.strip())]
    texts = [_plain_text(block) for block in blocks]
    if all(text is not None for text in texts):
        return _text_content("\n\n".join(filter(None, texts)), quirks) if blocks else ""
    return [part for block in blocks if (part := _part(block)) is not None]


def _plain_text(block: Block) -> str | None:
    match block:
        case Text(text=text):
            return text
        case Document():
            return media.document_text(block)
        case _:
            return None


def _part(block: Block) -> Fields | None:
    match block:
        case Text(text=text):
            return {"type": "text", "text": text}
        case Image():
            url = block.url or media.data_url(block.media_type, block.data or "")
            return {"type": "image_url", "image_url": {"url": url, **({"detail": block.detail} if block.detail else {})}}
        case Document(text=None):
            name = block.title or "document.pdf"
            return {
                "type": "file",
                "file": {"filename": name, "file_data": media.data_url(block.media_type or media.PDF, block.data or "")},
            }
        case Document():
            return {"type": "text", "text": media.document_text(block) or ""}
        case Audio(data=data, format=audio_format):
            return {"type": "input_audio", "input_audio": {"data": data, "format": audio_format}}
        case _:
            return None


def _assistant_message(turn: Turn, quirks: Quirks) -> Fields:
    calls = [_call(block) for block in turn.content if isinstance(block, ToolCall)]
    text = "".join(block.text for block in turn.content if isinstance(block, Text))
    message: Fields = {"role": "assistant", "content": _text_content(text, quirks) if text.strip() else "" if not calls else None}
    if message["content"] is None and not quirks.null_content:
        message["content"] = ""
    if calls:
        message["tool_calls"] = calls
    if quirks.replay_reasoning and calls:
        thinking = "".join(block.text for block in turn.content if isinstance(block, Thinking)) or quirks.missing_reasoning
        if thinking is not None:
            message["reasoning_content"] = thinking
    return message


def _call(call: ToolCall) -> Fields:
    encoded: Fields = {
        "id": call.id,
        "type": "function",
        "function": {"name": safe_name(call.name), "arguments": normalize_arguments(call.arguments)},
    }
    if call.signature is not None:
        encoded["extra_content"] = {"google": {"thought_signature": call.signature}}
    return encoded
