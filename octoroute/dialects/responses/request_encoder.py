"""Encodes a Conversation as a Responses request. Pure.

Nothing is stored at the endpoint: the whole history is sent, with the encrypted reasoning that the client kept. A value that the
format does not have is dropped and noted for the warning header.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from octoroute.dialects.openai.compat import Quirks
from octoroute.dialects.openai.request_encoder import allowed_tools, sample_fields, user_fields
from octoroute.dialects.request import json_schema, media, message_order, reasoning_effort
from octoroute.dialects.request.ids import safe_name
from octoroute.dialects.request.json_input import reject_deep_nesting
from octoroute.dialects.request.output_limit import fit_output_tokens
from octoroute.dialects.request.strict_mode import strict_for_openai
from octoroute.dialects.response.tool_arguments import normalize_arguments
from octoroute.dialects.responses.reasoning_item import ORIGIN, unpack_reasoning
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
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    Turn,
)
from octoroute.errors import BadRequest

Fields = dict[str, Any]
MIN_OUTPUT_TOKENS = 16
"""The least that OpenAI takes."""
_ABSENT = ("presence_penalty", "frequency_penalty", "top_k")
"""Sampling parameters that the format does not have."""
_ENCRYPTED = "reasoning.encrypted_content"


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
    reason = unsupported(conversation)
    if reason is not None:
        raise BadRequest(reason)
    notes = [] if notes is None else notes
    limit = max_output_tokens if max_output_tokens is not None else quirks.output_limit
    conversation = message_order.normalize_turns(conversation, mid_system="keep", id_limit=quirks.id_limit)
    body: Fields = {"model": model, "input": _items(conversation, quirks, notes), "store": False}
    system = message_order.join_text(conversation.system)
    if system:
        body["instructions"] = system
    if stream:
        body["stream"] = True
    tokens = fit_output_tokens(conversation.max_tokens, limit, notes)
    if tokens is not None:
        body["max_output_tokens"] = max(MIN_OUTPUT_TOKENS, tokens)
        if tokens < MIN_OUTPUT_TOKENS:
            notes.append(f"max_tokens: {tokens} raised to {MIN_OUTPUT_TOKENS}, the minimum of this endpoint")
    _sampling(body, conversation, quirks, notes)
    _tools(body, conversation, notes)
    _format(body, conversation, notes)
    _reasoning(body, conversation, quirks, notes)
    user_fields(body, conversation, quirks)
    return msgspec.json.encode(body)


def unsupported(conversation: Conversation) -> str | None:
    """Why the format cannot express the conversation; None if it can."""
    for turn in conversation.turns:
        for block in turn.content:
            parts: Sequence[Block] = block.content if isinstance(block, ToolResult) else (block,)
            if any(isinstance(part, Audio) for part in parts):
                return "this endpoint does not support audio input"
    return None


def _items(conversation: Conversation, quirks: Quirks, notes: list[str]) -> list[Fields]:
    items: list[Fields] = []
    lost = False
    for turn in conversation.turns:
        if turn.role is Role.SYSTEM:
            items.append({"role": quirks.system_role, "content": message_order.join_text(turn.content)})
        elif turn.role is Role.USER:
            items += _user_items(turn)
        else:
            items += _assistant_items(turn)
            lost = lost or any(_is_lost(block) for block in turn.content)
    if lost:
        notes.append("thinking: earlier thinking of another provider is not passed on, this endpoint does not take it")
    if conversation.turns and conversation.turns[-1].role is Role.ASSISTANT:
        notes.append(message_order.PREFILL)
    if any(turn.name for turn in conversation.turns):
        notes.append(message_order.NAMES_LOST)
    return items


def _user_items(turn: Turn) -> list[Fields]:
    """The results in the order of their calls, then a message."""
    items: list[Fields] = [
        {"type": "function_call_output", "call_id": block.call_id, "output": _output(block)}
        for block in turn.content
        if isinstance(block, ToolResult)
    ]
    parts = [_part(block) for block in turn.content if not isinstance(block, ToolResult)]
    content = [part for part in parts if part is not None]
    if content:
        items.append({"role": "user", "content": content})
    return items


def _output(result: ToolResult) -> str | list[Fields]:
    mark = message_order.ERROR_MARK if result.is_error else ""
    if all(isinstance(part, Text) for part in result.content):
        return mark + message_order.result_text(result)
    parts = [part for block in result.content if (part := _part(block)) is not None]
    return [{"type": "input_text", "text": mark}, *parts] if mark else parts


def _part(block: Block) -> Fields | None:
    """None: a blank text, or a block that is no part of a message."""
    match block:
        case Text(text=text):
            return {"type": "input_text", "text": text} if text.strip() else None
        case Image():
            url = block.url or media.data_url(block.media_type, block.data or "")
            return {"type": "input_image", "image_url": url, "detail": block.detail or "auto"}
        case Document(text=None, url=str(url)):
            return {"type": "input_file", "file_url": url}
        case Document(text=None):
            data = media.data_url(block.media_type or media.PDF, block.data or "")
            return {"type": "input_file", "filename": block.title or "document.pdf", "file_data": data}
        case Document():
            return {"type": "input_text", "text": media.document_text(block) or ""}
        case _:
            return None


def _assistant_items(turn: Turn) -> list[Fields]:
    items: list[Fields] = []
    for block in turn.content:
        match block:
            case Text(text=text) if text.strip():
                items.append({"role": "assistant", "content": text})
            case ToolCall():
                arguments = normalize_arguments(block.arguments)
                call = {"type": "function_call", "call_id": block.id, "name": safe_name(block.name), "arguments": arguments}
                items.append(call)
            case Thinking(signature=str(signature), origin=origin) if origin == ORIGIN:
                items.append(unpack_reasoning(block.text, signature))
            case _:
                pass
    return items


def _is_lost(block: Block) -> bool:
    return isinstance(block, RedactedThinking) or (isinstance(block, Thinking) and block.origin != ORIGIN)


def _sampling(body: Fields, conversation: Conversation, quirks: Quirks, notes: list[str]) -> None:
    sampling = sample_fields(conversation, quirks, notes)
    notes += [f"{name}: not supported by this endpoint, dropped" for name in _ABSENT if sampling.pop(name, None) is not None]
    if conversation.seed is not None:
        notes.append("seed: not supported by this endpoint, dropped")
    body.update(sampling)


def _tools(body: Fields, conversation: Conversation, notes: list[str]) -> None:
    choice, tools = conversation.tool_choice, allowed_tools(conversation)
    if not tools:
        return
    body["tools"] = [_tool(tool, notes) for tool in tools]
    if choice is None:
        return
    body["tool_choice"] = _choice(choice)
    if choice.parallel is False:
        body["parallel_tool_calls"] = False


def _tool(tool: Tool, notes: list[str]) -> Fields:
    parameters = json_schema.adapt_for_openai(tool.schema)
    name = safe_name(tool.name)
    parameters, strict = strict_for_openai(parameters, bool(tool.strict), f"tools ({name})", notes)
    function: Fields = {"type": "function", "name": name, "parameters": parameters, "strict": strict}
    if tool.description:
        function["description"] = tool.description
    return function


def _choice(choice: ToolChoice) -> str | Fields:
    if choice.mode == "tool" and choice.name is not None:
        return {"type": "function", "name": safe_name(choice.name)}
    return "required" if choice.mode == "any" else choice.mode


def _format(body: Fields, conversation: Conversation, notes: list[str]) -> None:
    wanted = conversation.format
    if wanted is None:
        return
    made: Fields = {"type": "json_object"}
    if wanted.schema is not None:
        schema, strict = strict_for_openai(wanted.schema, wanted.strict, "response_format", notes)
        made = {"type": "json_schema", "name": safe_name(wanted.name), "schema": schema, "strict": strict}
    body["text"] = {"format": made}


def _reasoning(body: Fields, conversation: Conversation, quirks: Quirks, notes: list[str]) -> None:
    """Ask for as much reasoning as the client does. A reasoning model of OpenAI also returns it encrypted, for the next request."""
    if quirks.reasoning == "effort" and quirks.system_role == "developer":
        body["include"] = [_ENCRYPTED]
    wish = conversation.thinking
    effort = reasoning_effort.effort_of(wish)
    if wish is None or (effort is None and not reasoning_effort.wants_thinking(wish)):
        return
    reasoning: Fields = {}
    word = reasoning_effort.nearest_effort(effort, quirks.efforts) if effort is not None else None
    if word is not None:
        reasoning["effort"] = word
    if word != effort:
        notes.append(f"thinking: effort {effort} not supported by this endpoint, {word or 'its default'} is used")
    if wish.visible and reasoning_effort.wants_thinking(wish):
        reasoning["summary"] = "auto"
    if reasoning:
        body["reasoning"] = reasoning
