"""Encodes the turns of a Conversation as Chat Completions messages, with the quirks of a server. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from octoroute.dialects.openai.compat import Quirks
from octoroute.dialects.openai.reasoning_details import ORIGIN, text_detail, unpack_details
from octoroute.dialects.openai.schema import with_signature
from octoroute.dialects.request import json_schema, media, message_order
from octoroute.dialects.request.cache_marks import with_mark
from octoroute.dialects.request.ids import safe_name
from octoroute.dialects.response.tool_arguments import normalize_arguments
from octoroute.domain.conversation import (
    Audio,
    Block,
    Conversation,
    Document,
    Image,
    RedactedThinking,
    Role,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    Turn,
)

Fields = dict[str, Any]
_SHOWN = (Image, Audio)
_MARKED = (Text, Image, Document)
_THOUGHTS = (Thinking, RedactedThinking)


def encode_messages(conversation: Conversation, quirks: Quirks, notes: list[str]) -> list[Fields]:
    """The system text and all turns as messages; `notes` collects warnings."""
    place: message_order.MidSystem = "keep" if quirks.mid_system == "developer" else quirks.mid_system
    conversation = message_order.normalize_turns(conversation, mid_system=place, id_limit=quirks.id_limit)
    system: Sequence[Block] = conversation.system
    if conversation.format is not None and quirks.structured_output != "json_schema":
        system = (*system, Text(_instruction(conversation, quirks)))
    messages: list[Fields] = []
    if message_order.join_text(system):
        messages.append({"role": quirks.system_role, "content": _content(system, quirks)})
    lost: list[Block] = []
    for turn in conversation.turns:
        if turn.role is Role.SYSTEM:
            role = "developer" if quirks.mid_system == "developer" else "system"
            messages.append({"role": role, "content": _content(turn.content, quirks)})
        elif turn.role is Role.USER:
            messages += _user_messages(turn, quirks, lost)
        else:
            messages.append(_assistant_message(turn, quirks, lost))
    if lost:
        notes += _losses(lost, quirks)
    _end(messages, quirks, notes)
    return messages


def _losses(lost: Sequence[Block], quirks: Quirks) -> list[str]:
    notes: list[str] = []
    if any(isinstance(block, RedactedThinking) for block in lost):
        notes.append("thinking: earlier encrypted thinking is not passed on, only the provider that made it can read it")
    if any(isinstance(block, Thinking) for block in lost):
        where = "of turns without tool calls " if quirks.replay else ""
        notes.append(f"thinking: earlier thinking {where}is not passed on, this endpoint does not take it back")
    if any(isinstance(block, Document) for block in lost):
        notes.append("documents in tool results: only their titles are passed on, this endpoint cannot read files")
    return notes


def _end(messages: list[Fields], quirks: Quirks, notes: list[str]) -> None:
    """Make the last message one that the model accepts as the last."""
    if not messages or messages[-1]["role"] != "assistant":
        return
    match quirks.prefill:
        case "no":
            messages.append({"role": "user", "content": _text_content(message_order.CONTINUE, quirks)})
            notes.append(message_order.CONTINUED)
        case "prefix":
            messages[-1]["prefix"] = True
        case "yes":
            notes.append(message_order.PREFILL)


def _instruction(conversation: Conversation, quirks: Quirks) -> str:
    response_format = conversation.format
    if response_format is None or response_format.schema is None:
        return json_schema.JSON_INSTRUCTION if quirks.structured_output == "prompt" else ""
    return json_schema.describe_in_words(response_format.schema)


def _text_content(text: str, quirks: Quirks) -> str | list[Fields]:
    return [{"type": "text", "text": text}] if quirks.content_parts else text


def _user_messages(turn: Turn, quirks: Quirks, lost: list[Block]) -> list[Fields]:
    """Tool messages in the order of the calls, then a user message that begins with the media that tools returned."""
    messages: list[Fields] = []
    media_parts: list[Block] = []
    parts: list[Block] = []
    for block in turn.content:
        if not isinstance(block, ToolResult):
            parts.append(block)
            continue
        inner = block.content
        if len(inner) == 1 and type(inner[0]) is Text:  # nearly every result
            text, returned = inner[0].text, ()
        else:
            text, returned = message_order.result_text(block), _media(block, quirks, lost)
        if returned:
            name, kind = block.name or "a tool", _kind(returned)
            text = text or f"(the {kind} that {name} returned follows)"
            media_parts += [Text(f"({kind} returned by {name}, call {block.call_id})"), *returned]
        if block.is_error:
            text = message_order.ERROR_MARK + text
        if not text and not quirks.empty_tool_content:
            text = message_order.NO_OUTPUT
        content: str | list[Fields] = text
        if text and quirks.cache_marks and (cache := _cache_of(block)):
            content = [with_mark({"type": "text", "text": text}, cache)]
        messages.append({"role": "tool", "tool_call_id": block.call_id, "content": content})
    if not parts and not media_parts:
        return messages
    content = _content([*media_parts, *parts] if media_parts else parts, quirks)
    if content:
        message: Fields = {"role": "user", "content": content}
        if turn.name:
            message["name"] = turn.name
        messages.append(message)
    return messages


def _media(result: ToolResult, quirks: Quirks, lost: list[Block]) -> list[Block]:
    """Media of a tool result, which go into a user message because tool messages hold text only."""
    found: list[Block] = []
    for part in result.content:
        if isinstance(part, Document) and part.text is None:
            (found if quirks.pdf else lost).append(part)
        elif isinstance(part, _SHOWN):
            found.append(part)
    return found


def _kind(blocks: Sequence[Block]) -> str:
    return "image" if all(isinstance(block, Image) for block in blocks) else "file"


def _content(blocks: Sequence[Block], quirks: Quirks) -> str | list[Fields]:
    first = blocks[0] if len(blocks) == 1 else None
    if type(first) is Text and not (first.cache and quirks.cache_marks):
        return _text_content(first.text, quirks) if first.text.strip() else ""
    blocks = [block for block in blocks if not (isinstance(block, Text) and not block.text.strip())]
    texts = [_plain_text(block) for block in blocks]
    marked = quirks.cache_marks and any(_cache(block) for block in blocks)
    if not marked and all(text is not None for text in texts):
        return _text_content("\n\n".join(filter(None, texts)), quirks) if blocks else ""
    if marked:
        return [with_mark(part, _cache(block)) for block in blocks if (part := _part(block)) is not None]
    return [part for block in blocks if (part := _part(block)) is not None]


def _cache_of(result: ToolResult) -> str:
    return result.cache or next((cache for part in result.content if (cache := _cache(part))), "")


def _cache(block: Block) -> str:
    return block.cache if isinstance(block, _MARKED) else ""


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


def _assistant_message(turn: Turn, quirks: Quirks, lost: list[Block]) -> Fields:
    calls = [_call(block) for block in turn.content if isinstance(block, ToolCall)]
    texts = [block for block in turn.content if isinstance(block, Text)]
    text = "".join(block.text for block in texts)
    content = _text_content(text, quirks) if text.strip() else "" if not calls else None
    if quirks.cache_marks and text.strip() and any(block.cache for block in texts):
        content = _content(texts, quirks)
    message: Fields = {"role": "assistant", "content": content}
    if message["content"] is None and not quirks.null_content:
        message["content"] = ""
    if calls:
        message["tool_calls"] = calls
    thoughts = [block for block in turn.content if isinstance(block, _THOUGHTS)]
    if not thoughts and (quirks.missing_reasoning is None or not calls):
        return message
    if quirks.replay and (calls or quirks.replay_always):
        _replay(message, thoughts, quirks, lost)
    else:
        lost += [block for block in thoughts if not isinstance(block, Thinking) or block.text]
    return message


def _replay(message: Fields, thoughts: Sequence[Thinking | RedactedThinking], quirks: Quirks, lost: list[Block]) -> None:
    """Put the thinking of a turn where the server reads it. Encrypted thinking of another provider says nothing to it."""
    lost += [block for block in thoughts if isinstance(block, RedactedThinking)]
    readable = [block for block in thoughts if isinstance(block, Thinking)]
    text = "".join(block.text for block in readable)
    match quirks.replay:
        case "reasoning_details":
            details = _details(readable, quirks)
            if details:
                message["reasoning_details"] = details
            elif text:
                message["reasoning"] = text
        case "think_tags":
            if text and not isinstance(message["content"], list):
                message["content"] = f"<think>\n{text}\n</think>\n\n{message['content'] or ''}"
        case field:
            missing = quirks.missing_reasoning if "tool_calls" in message else None
            if text or missing is not None:
                message[field] = text or missing


def _details(thoughts: Sequence[Thinking], quirks: Quirks) -> list[Fields]:
    """OpenRouter's own details as it sent them, and other thinking beside them; MiniMax takes details made of text alone."""
    found: list[Fields] = []
    own = quirks.split_reasoning
    for thought in thoughts:
        details = unpack_details(thought.signature, thought.text) if thought.origin == ORIGIN and thought.signature else []
        own = own or bool(details)
        found += details or ([text_detail(thought.text, len(found))] if thought.text else [])
    return found if own else []


def _call(call: ToolCall) -> Fields:
    function = {"name": safe_name(call.name), "arguments": normalize_arguments(call.arguments)}
    return with_signature({"id": call.id, "type": "function", "function": function}, call.signature)
