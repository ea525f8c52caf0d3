"""Encodes a Conversation as a Chat Completions request for a server with given quirks. Pure.

An optional value that the format or the server does not support is dropped and noted for the warning header. A value that must not
be lost raises BadRequest. `message_encoder` encodes the messages.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import msgspec

from octoroute.dialects.openai.compat import Quirks
from octoroute.dialects.request import json_schema, media, message_order, reasoning_effort
from octoroute.dialects.request.ids import safe_name
from octoroute.dialects.request.json_input import reject_deep_nesting
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
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    Turn,
)
from octoroute.errors import BadRequest

Fields = dict[str, Any]
JSON_INSTRUCTION = "Answer with one JSON object and nothing else."
_USER_HASH = 32
_ON_OFF_STYLES = frozenset({"thinking_type", "enable_thinking", "chat_template"})
"""Values of `Quirks.reasoning` that have no effort levels."""


@reject_deep_nesting
def encode_request(
    conversation: Conversation,
    *,
    model: str,
    quirks: Quirks,
    stream: bool,
    max_output_tokens: int | None = None,
    notes: list[str] | None = None,
) -> bytes:
    """`notes` collects a text for each dropped value. Raises BadRequest with the text of `unsupported`."""
    reason = unsupported(conversation, quirks)
    if reason is not None:
        raise BadRequest(reason)
    notes = [] if notes is None else notes
    body: Fields = {"model": model, "messages": _messages(conversation, quirks, notes)}
    if stream:
        body["stream"] = True
        if quirks.stream_options:
            body["stream_options"] = {"include_usage": True}
    _limits(body, conversation, quirks, max_output_tokens, notes)
    _tools(body, conversation, quirks, notes)
    _format(body, conversation, quirks)
    _thinking(body, conversation, quirks, notes)
    _user_fields(body, conversation, quirks)
    return msgspec.json.encode(body)


def unsupported(conversation: Conversation, quirks: Quirks) -> str | None:
    """Why a server with these quirks cannot serve the conversation; None if it can."""
    for turn in conversation.turns:
        for block in turn.content:
            parts: Sequence[Block] = block.content if isinstance(block, ToolResult) else (block,)
            for part in parts:
                if isinstance(part, Document) and part.text is None:
                    if part.data is None:
                        return "this endpoint cannot fetch documents from a URL; send the file content"
                    if not quirks.pdf and not isinstance(block, ToolResult):
                        return f"this endpoint cannot read documents of type {part.media_type}"
                if isinstance(part, Audio) and not quirks.audio:
                    return "this endpoint does not support audio input"
    return None


def surplus_stops(conversation: Conversation, quirks: Quirks) -> tuple[str, ...]:
    """The stop sequences beyond the server's limit, to be enforced on its response."""
    return conversation.stop[quirks.stop_limit :]


def _messages(conversation: Conversation, quirks: Quirks, notes: list[str]) -> list[Fields]:
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
        return JSON_INSTRUCTION if quirks.structured_output == "prompt" else ""
    return f"{JSON_INSTRUCTION} It must fit this JSON schema:\n{msgspec.json.encode(response_format.schema).decode()}"


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


def _limits(body: Fields, conversation: Conversation, quirks: Quirks, max_output_tokens: int | None, notes: list[str]) -> None:
    max_tokens = conversation.max_tokens
    if max_tokens is not None and max_output_tokens is not None and max_tokens > max_output_tokens:
        notes.append(f"max_tokens: {max_tokens} reduced to {max_output_tokens}, the model's limit")
        max_tokens = max_output_tokens
    sampling: Fields = {
        "temperature": conversation.temperature,
        "top_p": conversation.top_p,
        "presence_penalty": conversation.presence_penalty,
        "frequency_penalty": conversation.frequency_penalty,
    }
    if not quirks.sampling:
        notes += [f"{name}: not supported by this model, dropped" for name, value in sampling.items() if value is not None]
        sampling = {}
    if conversation.top_k is not None and not quirks.top_k:
        notes.append("top_k: not supported by this endpoint, dropped")
    stops = conversation.stop[: quirks.stop_limit]
    optional: Fields = {
        quirks.max_tokens_field: max_tokens,
        **sampling,
        "top_k": conversation.top_k if quirks.top_k else None,
        "seed": conversation.seed,
        "stop": list(stops) or None,
    }
    body.update((name, value) for name, value in optional.items() if value is not None)


def _tools(body: Fields, conversation: Conversation, quirks: Quirks, notes: list[str]) -> None:
    choice = conversation.tool_choice
    allowed = choice.allowed if choice is not None else None
    tools = [tool for tool in conversation.tools if allowed is None or tool.name in allowed]
    if not tools:
        return
    body["tools"] = [_tool(tool) for tool in tools]
    if choice is None:
        return
    forced = choice.mode in {"any", "tool"}
    if forced and not quirks.forced_tools:
        notes.append("tool_choice: this endpoint cannot be forced to call a tool, auto is used")
    body["tool_choice"] = _choice(choice) if quirks.forced_tools or not forced else "auto"
    if choice.parallel is False:
        if quirks.parallel_tool_calls:
            body["parallel_tool_calls"] = False
        else:
            notes.append("parallel_tool_calls: not supported by this endpoint, dropped")


def _choice(choice: ToolChoice) -> str | Fields:
    if choice.mode == "tool" and choice.name is not None:
        return {"type": "function", "function": {"name": safe_name(choice.name)}}
    return "required" if choice.mode == "any" else choice.mode


def _tool(tool: Tool) -> Fields:
    function: Fields = {"name": safe_name(tool.name)}
    if tool.description:
        function["description"] = tool.description
    function["parameters"] = json_schema.adapt_for_openai(tool.schema)
    if tool.strict and json_schema.is_strict(function["parameters"]):
        function["strict"] = True
    return {"type": "function", "function": function}


def _format(body: Fields, conversation: Conversation, quirks: Quirks) -> None:
    response_format = conversation.format
    if response_format is None or quirks.structured_output == "prompt":
        return
    if response_format.schema is None or quirks.structured_output == "json_object":
        body["response_format"] = {"type": "json_object"}
        return
    named_schema: Fields = {"name": safe_name(response_format.name), "schema": response_format.schema}
    if response_format.strict is not False:
        named_schema["strict"] = json_schema.is_strict(response_format.schema)
    body["response_format"] = {"type": "json_schema", "json_schema": named_schema}


def _thinking(body: Fields, conversation: Conversation, quirks: Quirks, notes: list[str]) -> None:
    wish = conversation.thinking
    effort = reasoning_effort.effort_of(wish)
    if wish is None or (effort is None and wish.enabled is None):
        return
    enabled = effort != "none"
    match quirks.reasoning:
        case "effort":
            word = reasoning_effort.nearest_effort(effort, quirks.efforts) if effort is not None else None
            if word is not None:
                body["reasoning_effort"] = word
            if word != effort:
                notes.append(f"thinking: effort {effort} not supported by this endpoint, {word or 'its default'} is used")
        case "thinking_type":
            body["thinking"] = {"type": "enabled" if enabled else "disabled"}
        case "enable_thinking":
            body["enable_thinking"] = enabled
            if enabled and wish.budget_tokens is not None:
                body["thinking_budget"] = wish.budget_tokens
        case "chat_template":
            body["chat_template_kwargs"] = {"enable_thinking": enabled}
        case "openrouter":
            limit: Fields = {"max_tokens": wish.budget_tokens} if wish.budget_tokens is not None else {"effort": effort}
            body["reasoning"] = {"enabled": enabled} if effort in {None, "none"} else limit
        case "unsupported":
            notes.append("thinking: not supported by this endpoint, its default is used")
    budget_sent = quirks.reasoning == "enable_thinking" and wish.budget_tokens is not None
    if quirks.reasoning in _ON_OFF_STYLES and enabled and effort is not None and not budget_sent:
        notes.append("thinking: effort dropped, this endpoint only supports on and off")


def _user_fields(body: Fields, conversation: Conversation, quirks: Quirks) -> None:
    if conversation.user is not None and quirks.user_field is not None:
        body[quirks.user_field] = hashlib.sha256(conversation.user.encode("utf-8", "replace")).hexdigest()[:_USER_HASH]
    if conversation.cache_key is not None and quirks.cache_key:
        body["prompt_cache_key"] = conversation.cache_key
    if conversation.service_tier is not None and quirks.service_tier:
        body["service_tier"] = conversation.service_tier
