"""Encodes a Conversation as a Messages request. Pure.

An optional value that the format or the model does not support is dropped and noted for the warning header. A value that must not
be lost makes the endpoint ineligible (`unsupported`). `message_encoder` encodes the messages.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any

import msgspec

from octoroute.dialects.anthropic.message_encoder import encode_messages, encode_source, encode_text, limit_cache_marks
from octoroute.dialects.anthropic.model_limits import AnthropicModelLimits, model_limits
from octoroute.dialects.request import json_schema, media, message_order, reasoning_effort
from octoroute.dialects.request.ids import safe_name
from octoroute.dialects.request.json_input import reject_deep_nesting
from octoroute.domain.conversation import (
    Audio,
    Conversation,
    Document,
    Image,
    Tool,
    ToolResult,
)
from octoroute.errors import BadRequest

Fields = dict[str, Any]
RESPONSE_TOOL = "structured_answer"
"""Tool that is forced on models without `output_config.format`; its input is the structured output."""
MIN_THINKING_LIMIT = 32_000
"""Output tokens that every model with thinking accepts as `max_tokens`."""
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
    messages = encode_messages(ordered.turns)
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
    limit_cache_marks(body)
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
                if isinstance(part, Document) and part.data is not None and encode_source(part) is None:
                    return f"this endpoint does not support documents of type {part.media_type}; send PDF or text"
    return None


def _system(body: Fields, conversation: Conversation) -> None:
    blocks = [encode_text(block) for block in conversation.system if block.text.strip()]
    response_format = conversation.format
    if response_format is not None and response_format.schema is None:
        blocks.append({"type": "text", "text": json_schema.JSON_INSTRUCTION})
    if blocks:
        body["system"] = blocks


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
    response_tool = {
        "name": RESPONSE_TOOL,
        "description": "Give the answer.",
        "input_schema": json_schema.adapt_for_anthropic(response_format.schema),
    }
    body["tools"] = [*body.get("tools", ()), response_tool]
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
