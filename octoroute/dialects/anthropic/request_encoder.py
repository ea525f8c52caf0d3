"""Encodes a Conversation as a Messages request. Pure.

An optional value that the format or the model does not support is dropped and noted for the warning header. A value that must not
be lost makes the endpoint ineligible (`unsupported`). `message_encoder` encodes the messages.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Sequence
from typing import Any

import msgspec

from octoroute.dialects.anthropic.model_limits import AnthropicModelLimits, model_limits
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
    RedactedThinking,
    Role,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolResult,
    Turn,
)
from octoroute.errors import BadRequest

Fields = dict[str, Any]
OPENING = "(the conversation begins with the assistant)"
"""Text of the user message that is inserted before a history that starts with the assistant."""
RESPONSE_TOOL = "structured_answer"
"""Tool that is forced on models without `output_config.format`; its input is the structured output."""
JSON_INSTRUCTION = "Answer with one JSON object and nothing else."
MAX_CACHE_MARKS = 4
MIN_THINKING_LIMIT = 32_000
"""Output tokens that every model with thinking accepts as `max_tokens`."""
_CACHE = {"type": "ephemeral"}
_EFFORTS = ("low", "medium", "high", "xhigh", "max")
_OPAQUE_ID = re.compile(r"[A-Za-z0-9_.:-]{1,256}")


@reject_deep_nesting
def encode_request(
    conversation: Conversation,
    *,
    model: str,
    stream: bool,
    default_max_tokens: int | None = None,
    max_output_tokens: int | None = None,
    notes: list[str] | None = None,
) -> bytes:
    """`notes` collects a text for each dropped value. Raises BadRequest with the text of `unsupported`."""
    reason = unsupported(conversation)
    if reason is not None:
        raise BadRequest(reason)
    notes = [] if notes is None else notes
    can = model_limits(model)
    ordered = message_order.normalize_turns(conversation)
    body: Fields = {"model": model, "max_tokens": conversation.max_tokens or default_max_tokens or can.max_tokens}
    messages = _messages(ordered.turns)
    if not messages:
        raise BadRequest("messages: have no content; send at least one message with text", param="messages")
    _system(body, ordered)
    body["messages"] = messages
    if stream:
        body["stream"] = True
    _tools(body, ordered)
    _format(body, ordered, can)
    _thinking(body, ordered, can, notes)
    _clamp_max_tokens(body, max_output_tokens, notes)
    _sampling(body, ordered, can, notes)
    _user_fields(body, ordered)
    _limit_cache_marks(body)
    return msgspec.json.encode(body)


def uses_response_tool(conversation: Conversation, model: str) -> bool:
    """True if the structured output comes as the input of `RESPONSE_TOOL`."""
    response_format = conversation.format
    return response_format is not None and response_format.schema is not None and not model_limits(model).schemas


def unsupported(conversation: Conversation) -> str | None:
    """Why Anthropic's format cannot express the conversation; None if it can."""
    for turn in conversation.turns:
        for block in turn.content:
            for part in block.content if isinstance(block, ToolResult) else (block,):
                if isinstance(part, Audio):
                    return "this endpoint does not support audio input"
                if isinstance(part, Image) and part.data is not None and part.media_type not in media.IMAGE_TYPES:
                    return f"this endpoint does not support images of type {part.media_type}; send jpeg, png, gif, or webp"
                if isinstance(part, Document) and part.data is not None and _source(part) is None:
                    return f"this endpoint does not support documents of type {part.media_type}; send PDF or text"
    return None


def _system(body: Fields, conversation: Conversation) -> None:
    blocks = [_text(block) for block in conversation.system if block.text.strip()]
    response_format = conversation.format
    if response_format is not None and response_format.schema is None:
        blocks.append({"type": "text", "text": JSON_INSTRUCTION})
    if blocks:
        body["system"] = blocks


def _text(block: Text) -> Fields:
    return {"type": "text", "text": block.text, **({"cache_control": _CACHE} if block.cache else {})}


def _messages(turns: Sequence[Turn]) -> list[Fields]:
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
            return _text(block) if block.text.strip() else None
        case Image(url=str(url)):
            return {"type": "image", "source": {"type": "url", "url": url}}
        case Image():
            return {"type": "image", "source": {"type": "base64", "media_type": block.media_type, "data": block.data}}
        case Document():
            named = {name: value for name, value in (("title", block.title), ("context", block.context)) if value}
            return {"type": "document", "source": _source(block), **named}
        case _:
            return None


def _source(document: Document) -> Fields | None:
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


def _tools(body: Fields, conversation: Conversation) -> None:
    choice = conversation.tool_choice
    allowed = choice.allowed if choice is not None else None
    tools = [_tool(tool) for tool in conversation.tools if allowed is None or tool.name in allowed]
    if not tools:
        return
    body["tools"] = tools
    if choice is None:
        return
    tool_choice: Fields = {"type": choice.mode}
    if choice.mode == "tool" and choice.name is not None:
        tool_choice["name"] = safe_name(choice.name)
    if choice.parallel is False and choice.mode != "none":
        tool_choice["disable_parallel_tool_use"] = True
    body["tool_choice"] = tool_choice


def _tool(tool: Tool) -> Fields:
    encoded: Fields = {"name": safe_name(tool.name)}
    if tool.description:
        encoded["description"] = tool.description
    encoded["input_schema"] = json_schema.adapt_for_anthropic(tool.schema)
    if tool.strict:
        encoded["strict"] = True
    return encoded


def _format(body: Fields, conversation: Conversation, can: AnthropicModelLimits) -> None:
    response_format = conversation.format
    if response_format is None or response_format.schema is None:
        return
    if can.schemas:
        body["output_config"] = {"format": {"type": "json_schema", "schema": response_format.schema}}
        return
    answer = {
        "name": RESPONSE_TOOL,
        "description": "Give the answer.",
        "input_schema": json_schema.adapt_for_anthropic(response_format.schema),
    }
    body["tools"] = [*body.get("tools", ()), answer]
    if "tool_choice" not in body or len(body["tools"]) == 1:
        body["tool_choice"] = {"type": "tool", "name": RESPONSE_TOOL} if len(body["tools"]) == 1 else {"type": "any"}


def _thinking(body: Fields, conversation: Conversation, can: AnthropicModelLimits, notes: list[str]) -> None:
    wish = conversation.thinking
    effort = reasoning_effort.effort_of(wish)
    if wish is None:
        return
    if effort in {"none", "minimal"}:
        body["thinking"] = {"type": "disabled"}
        return
    if not reasoning_effort.wants_thinking(wish):
        return
    conflict = _find_conflict(body, conversation, can)
    if conflict is not None or not can.budget:
        notes.append(f"thinking: dropped, {conflict or 'not supported by this model'}")
        return
    if can.adaptive:
        body["thinking"] = {"type": "adaptive", "display": "summarized" if wish.visible else "omitted"}
        word = reasoning_effort.nearest_effort(effort, _EFFORTS) if effort is not None else None
        if word is not None:
            body["output_config"] = {**body.get("output_config", {}), "effort": word}
        return
    budget = reasoning_effort.budget_of(wish)
    if conversation.max_tokens is None:
        body["max_tokens"] = max(body["max_tokens"], min(budget + can.max_tokens, MIN_THINKING_LIMIT))
    budget, body["max_tokens"] = reasoning_effort.fit_budget(budget, body["max_tokens"])
    body["thinking"] = {"type": "enabled", "budget_tokens": budget}


def _clamp_max_tokens(body: Fields, limit: int | None, notes: list[str]) -> None:
    if limit is None or body["max_tokens"] <= limit:
        return
    notes.append(f"max_tokens: {body['max_tokens']} reduced to {limit}, the model's limit")
    body["max_tokens"] = limit
    budget = body.get("thinking", {}).get("budget_tokens")
    if budget is not None and budget >= limit:
        body["thinking"] = {"type": "disabled"}
        notes.append("thinking: dropped, max_tokens is too small for it")


def _find_conflict(body: Fields, conversation: Conversation, can: AnthropicModelLimits) -> str | None:
    """Why the request cannot have thinking; None if it can."""
    if body.get("tool_choice", {}).get("type") in {"any", "tool"}:
        return "tool_choice forces a tool"
    if can.temperature and conversation.temperature is not None and conversation.temperature < 1:
        return "it requires temperature 1"
    last = body["messages"][-1]
    if last["role"] == "assistant":
        return "the last message is the assistant's"
    if can.adaptive:
        return None
    in_tool_loop = isinstance(last["content"], list) and last["content"][0]["type"] == "tool_result"
    if in_tool_loop and body["messages"][-2]["content"][0]["type"] not in {"thinking", "redacted_thinking"}:
        return "the thinking before the last tool call is not in the history"
    return None


def _sampling(body: Fields, conversation: Conversation, can: AnthropicModelLimits, notes: list[str]) -> None:
    temperature, top_p = conversation.temperature, conversation.top_p
    if temperature is not None and temperature > 1:
        notes.append(f"temperature: {temperature:g} reduced to 1, the maximum")
        temperature = 1.0
    thinks = body.get("thinking", {}).get("type") in {"enabled", "adaptive"}
    if not can.temperature:
        notes += [
            f"{name}: not supported by this model, dropped"
            for name, value in (("temperature", temperature), ("top_p", top_p))
            if value is not None
        ]
        temperature = top_p = None
    if temperature is not None and top_p is not None and not can.temperature_with_top_p:
        notes.append("top_p: dropped, this model accepts only one of temperature and top_p")
        top_p = None
    unsupported_fields = {
        "seed": conversation.seed,
        "presence_penalty": conversation.presence_penalty,
        "frequency_penalty": conversation.frequency_penalty,
    }
    notes += [f"{name}: not supported by this endpoint, dropped" for name, value in unsupported_fields.items() if value]
    stops = [stop for stop in conversation.stop if stop.strip()]
    top_k = None if thinks else conversation.top_k
    optional: Fields = {"temperature": temperature, "top_p": top_p, "top_k": top_k, "stop_sequences": stops or None}
    body.update((name, value) for name, value in optional.items() if value is not None)


def _user_fields(body: Fields, conversation: Conversation) -> None:
    user = conversation.user
    if user:
        user_id = user if _OPAQUE_ID.fullmatch(user) else hashlib.sha256(user.encode("utf-8", "replace")).hexdigest()
        body["metadata"] = {"user_id": user_id}
    tier = {"auto": "auto", "default": "standard_only"}.get(conversation.service_tier or "")
    if tier is not None:
        body["service_tier"] = tier


def _limit_cache_marks(body: Fields) -> None:
    """Remove all but the last four cache marks, Anthropic's maximum; the last ones cover the longest prefixes."""
    blocks: list[Fields] = [*body.get("system", ())]
    for message in body["messages"]:
        blocks += message["content"] if isinstance(message["content"], list) else []
    marks = [block for block in blocks if "cache_control" in block]
    for block in marks[:-MAX_CACHE_MARKS]:
        del block["cache_control"]
