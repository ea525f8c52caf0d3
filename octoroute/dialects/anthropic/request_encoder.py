"""Encodes a Conversation as a Messages request. Pure.

An optional value that the format or the model does not support is dropped and noted for the warning header. A value that must not
be lost makes the endpoint ineligible (`unsupported`). `message_encoder` encodes the messages.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any

import msgspec

from octoroute.dialects.anthropic.message_encoder import cite_documents, encode_messages, encode_source, encode_text
from octoroute.dialects.anthropic.model_limits import AnthropicModelLimits, model_limits
from octoroute.dialects.anthropic.structured_output import StrictTools, json_instruction, plan_json, write_format
from octoroute.dialects.request import json_schema, media, message_order, reasoning_effort
from octoroute.dialects.request.cache_marks import tidy_marks, with_mark
from octoroute.dialects.request.ids import safe_name
from octoroute.dialects.request.json_input import reject_deep_nesting
from octoroute.dialects.request.output_limit import fit_output_tokens
from octoroute.domain.conversation import Audio, Conversation, Document, Image, ThinkingWish, Tool, ToolResult
from octoroute.errors import BadRequest

Fields = dict[str, Any]
MIN_THINKING_LIMIT = 32_000
"""Output tokens that every model with thinking accepts as `max_tokens`."""
MIN_TOP_P_WITH_THINKING = 0.95
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
    fields = encode_fields(conversation, model_limits(model), default_max_tokens, max_output_tokens, notes, stream=stream)
    return msgspec.json.encode({"model": model, **fields})


def encode_fields(
    conversation: Conversation,
    can: AnthropicModelLimits,
    default_max_tokens: int | None,
    max_tokens_limit: int | None,
    notes: list[str],
    *,
    stream: bool = False,
) -> Fields:
    """All fields but `model`, for a model with the limits `can`. Raises BadRequest."""
    limit = max_tokens_limit if max_tokens_limit is not None else can.output_limit
    ordered = message_order.normalize_turns(conversation)
    wanted = fit_output_tokens(conversation.max_tokens, limit, notes)
    body: Fields = {"max_tokens": wanted or default_max_tokens or can.max_tokens}
    messages = encode_messages(ordered.turns, notes, prefill=can.prefill)
    if not messages and message_order.join_text(ordered.system):
        messages.append({"role": "user", "content": message_order.BEGIN})
        notes.append(message_order.BEGUN)
    if not messages:
        raise BadRequest("messages: have no content; send at least one message with text", param="messages")
    _system(body, ordered, can)
    if conversation.cites:
        cite_documents(messages)
    body["messages"] = messages
    if stream:
        body["stream"] = True
    _tools(body, ordered, can, notes)
    write_format(body, ordered.format, can, notes)
    _thinking(body, ordered, can, notes, explicit=wanted is not None)
    _clamp_max_tokens(body, limit, notes)
    _sampling(body, ordered, can, notes)
    _user_fields(body, ordered)
    _cache(body, ordered, notes)
    return body


def uses_response_tool(conversation: Conversation, can: AnthropicModelLimits) -> bool:
    """True if the structured output comes as the input of `RESPONSE_TOOL`."""
    return conversation.format is not None and plan_json(conversation.format, can).by == "tool"


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


def _system(body: Fields, conversation: Conversation, can: AnthropicModelLimits) -> None:
    blocks = [encode_text(block) for block in conversation.system if block.text.strip()]
    if instruction := json_instruction(conversation.format, can):
        blocks.append({"type": "text", "text": instruction})
    if blocks:
        body["system"] = blocks


def surplus_stops(conversation: Conversation) -> tuple[str, ...]:
    """The stop sequences that Anthropic rejects, those of white space only, to be enforced on its response."""
    return tuple(stop for stop in conversation.stop if stop and not stop.strip())


def _tools(body: Fields, conversation: Conversation, can: AnthropicModelLimits, notes: list[str]) -> None:
    choice = conversation.tool_choice
    allowed = choice.allowed if choice is not None else None
    strict = StrictTools(can, notes)
    tools = [_tool(tool, strict) for tool in conversation.tools if allowed is None or tool.name in allowed]
    if not tools:
        return
    body["tools"] = tools
    if choice is None:
        return
    mode = choice.mode
    if mode in {"any", "tool"} and not can.forced_tools:
        notes.append("tool_choice: this model cannot be forced to call a tool, auto is used")
        mode = "auto"
    tool_choice: Fields = {"type": mode}
    if mode == "tool" and choice.name is not None:
        tool_choice["name"] = safe_name(choice.name)
    if choice.parallel is False and mode != "none":
        tool_choice["disable_parallel_tool_use"] = True
    body["tool_choice"] = tool_choice


def _tool(tool: Tool, strict: StrictTools) -> Fields:
    encoded: Fields = {"name": safe_name(tool.name)}
    if tool.description:
        encoded["description"] = tool.description
    encoded["input_schema"] = json_schema.adapt_for_anthropic(tool.schema)
    if tool.strict:
        strict.write(encoded)
    return with_mark(encoded, tool.cache)


def _thinking(body: Fields, conversation: Conversation, can: AnthropicModelLimits, notes: list[str], *, explicit: bool) -> None:
    """`explicit`: the client has limited the output itself."""
    wish = conversation.thinking
    effort = reasoning_effort.effort_of(wish)
    if wish is None:
        return
    if effort in {"none", "minimal"}:
        _no_thinking(body, can, notes)
        return
    if not reasoning_effort.wants_thinking(wish):
        return
    conflict = _find_conflict(body, conversation, can)
    if conflict is not None or not can.budget:
        notes.append(f"thinking: dropped, {conflict or 'not supported by this model'}")
        return
    if can.adaptive:
        _adaptive_thinking(body, wish, effort, can, notes)
    budget = reasoning_effort.budget_of(wish)
    if not explicit:
        body["max_tokens"] = max(body["max_tokens"], min(budget + can.max_tokens, MIN_THINKING_LIMIT))
    if not can.adaptive:
        budget, body["max_tokens"] = reasoning_effort.fit_budget(budget, body["max_tokens"])
        body["thinking"] = {"type": "enabled", "budget_tokens": budget}


def _no_thinking(body: Fields, can: AnthropicModelLimits, notes: list[str]) -> None:
    if can.thinking_off:
        body["thinking"] = {"type": "disabled"}
    else:
        notes.append("thinking: cannot be turned off for this model, its lowest effort is used")
        _set_effort(body, can.efforts[0])


def _adaptive_thinking(body: Fields, wish: ThinkingWish, effort: str | None, can: AnthropicModelLimits, notes: list[str]) -> None:
    body["thinking"] = {"type": "adaptive", "display": "summarized" if wish.visible else "omitted"}
    word = reasoning_effort.nearest_effort(effort, can.efforts) if effort is not None else None
    if word is None:
        return
    _set_effort(body, word)
    if word != effort:
        notes.append(f"thinking: effort {effort} not supported by this model, {word} is used")


def _set_effort(body: Fields, word: str) -> None:
    body["output_config"] = {**body.get("output_config", {}), "effort": word}


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
    if can.sampling and conversation.temperature is not None and conversation.temperature < 1:
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
    given = {"temperature": conversation.temperature, "top_p": conversation.top_p, "top_k": conversation.top_k}
    sampling: Fields = {name: value for name, value in given.items() if value is not None}
    for name, reason in _unsupported_sampling(body, sampling, can).items():
        del sampling[name]
        notes.append(f"{name}: {reason}, dropped")
    if sampling.get("temperature", 0) > 1:
        notes.append(f"temperature: {sampling['temperature']:g} reduced to 1, the maximum")
        sampling["temperature"] = 1.0
    unsupported_fields = {
        "seed": conversation.seed,
        "presence_penalty": conversation.presence_penalty,
        "frequency_penalty": conversation.frequency_penalty,
    }
    notes += [f"{name}: not supported by this endpoint, dropped" for name, value in unsupported_fields.items() if value]
    body |= sampling
    stops = [stop for stop in conversation.stop if stop.strip()]
    if stops:
        body["stop_sequences"] = stops


def _unsupported_sampling(body: Fields, sampling: Fields, can: AnthropicModelLimits) -> dict[str, str]:
    """The names in `sampling` that the model rejects in this request, each with the reason."""
    if not sampling:
        return {}
    if not can.sampling:
        return dict.fromkeys(sampling, "not supported by this model")
    refused: dict[str, str] = {}
    if not can.temperature_with_top_p and {"temperature", "top_p"} <= sampling.keys():
        refused["top_p"] = "this model accepts only one of temperature and top_p"
    if body.get("thinking", {}).get("type") in {"enabled", "adaptive"}:
        if "top_k" in sampling:
            refused["top_k"] = "not supported together with thinking"
        if sampling.get("top_p", 1) < MIN_TOP_P_WITH_THINKING:
            refused["top_p"] = f"must be at least {MIN_TOP_P_WITH_THINKING} together with thinking"
    return refused


def _user_fields(body: Fields, conversation: Conversation) -> None:
    user = conversation.user
    if user:
        user_id = user if _OPAQUE_ID.fullmatch(user) else hashlib.sha256(user.encode("utf-8", "replace")).hexdigest()
        body["metadata"] = {"user_id": user_id}
    tier = {"auto": "auto", "default": "standard_only"}.get(conversation.service_tier or "")
    if tier is not None:
        body["service_tier"] = tier


def _cache(body: Fields, conversation: Conversation, notes: list[str]) -> None:
    """Keep all marks of the request, in the order of the prompt, within Anthropic's limits."""
    parts = [part for message in body["messages"] if not isinstance(message["content"], str) for part in message["content"]]
    with_mark(body, conversation.cache)
    tidy_marks([*body.get("tools", ()), *body.get("system", ()), *parts, body], notes)
