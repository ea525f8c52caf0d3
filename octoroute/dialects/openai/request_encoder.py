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
from octoroute.dialects.openai.message_encoder import encode_messages
from octoroute.dialects.openai.model_families import SAMPLING
from octoroute.dialects.request import json_schema, reasoning_effort
from octoroute.dialects.request.cache_marks import tidy_marks, with_mark
from octoroute.dialects.request.ids import safe_name
from octoroute.dialects.request.json_input import reject_deep_nesting
from octoroute.dialects.request.output_limit import fit_output_tokens
from octoroute.dialects.request.strict_mode import strict_for_openai
from octoroute.domain.conversation import (
    Audio,
    Block,
    Conversation,
    Document,
    Tool,
    ToolChoice,
    ToolResult,
)
from octoroute.errors import BadRequest

Fields = dict[str, Any]
_SAMPLING = (*SAMPLING, "top_k")
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
    body: Fields = {"model": model, "messages": encode_messages(conversation, quirks, notes)}
    if stream:
        body["stream"] = True
        if quirks.stream_options:
            body["stream_options"] = {"include_usage": True}
    _limits(body, conversation, quirks, max_output_tokens, notes)
    _tools(body, conversation, quirks, notes)
    _format(body, conversation, quirks, notes)
    _thinking(body, conversation, quirks, notes)
    user_fields(body, conversation, quirks)
    if quirks.cache_marks:
        _cache(body, conversation, notes)
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
    """The stop sequences that the server does not take, to be enforced on its response."""
    taken = _stops(conversation, quirks)
    return conversation.stop[len(taken) :] if quirks.blank_stops else tuple(stop for stop in conversation.stop if stop not in taken)


def _stops(conversation: Conversation, quirks: Quirks) -> tuple[str, ...]:
    stops = conversation.stop if quirks.blank_stops else tuple(stop for stop in conversation.stop if stop.strip())
    return stops[: quirks.stop_limit]


def _limits(body: Fields, conversation: Conversation, quirks: Quirks, max_output_tokens: int | None, notes: list[str]) -> None:
    limit = max_output_tokens if max_output_tokens is not None else quirks.output_limit
    optional: Fields = {
        quirks.max_tokens_field: fit_output_tokens(conversation.max_tokens, limit, notes),
        **sample_fields(conversation, quirks, notes),
        "seed": conversation.seed,
        "stop": list(_stops(conversation, quirks)) or None,
    }
    body.update((name, value) for name, value in optional.items() if value is not None)


def sample_fields(conversation: Conversation, quirks: Quirks, notes: list[str]) -> Fields:
    """The sampling parameters that the server and its model accept. What is dropped or reduced is noted."""
    sampling: Fields = {name: value for name in _SAMPLING if (value := getattr(conversation, name)) is not None}
    if not sampling:
        return sampling
    if not quirks.top_k and sampling.pop("top_k", None) is not None:
        notes.append("top_k: not supported by this endpoint, dropped")
    if quirks.refuses or quirks.refuses_thinking:
        refused = {*quirks.refuses, *(quirks.refuses_thinking if _thinks(conversation, quirks) else ())}
        for name in [name for name in sampling if name in refused]:
            notes.append(f"{name}: not supported by this model, dropped")
            del sampling[name]
    if not quirks.temperature_with_top_p and {"temperature", "top_p"} <= sampling.keys():
        notes.append("top_p: this model accepts only one of temperature and top_p, dropped")
        del sampling["top_p"]
    if sampling.get("temperature", 0) > quirks.max_temperature:
        notes.append(f"temperature: {sampling['temperature']:g} reduced to {quirks.max_temperature:g}, the maximum")
        sampling["temperature"] = quirks.max_temperature
    return sampling


def _thinks(conversation: Conversation, quirks: Quirks) -> bool:
    """Whether the model thinks in its answer, as far as the request tells."""
    wish = conversation.thinking
    if wish is None or (reasoning_effort.effort_of(wish) is None and wish.enabled is None and not wish.adaptive):
        return quirks.thinks_by_default
    return reasoning_effort.wants_thinking(wish)


def _cache(body: Fields, conversation: Conversation, notes: list[str]) -> None:
    """Mark the tools and the request itself, and keep all marks, in the order of the prompt, within Anthropic's limits."""
    for encoded, tool in zip(body.get("tools", ()), allowed_tools(conversation), strict=True):
        with_mark(encoded, tool.cache)
    parts = [part for message in body["messages"] if isinstance(message["content"], list) for part in message["content"]]
    with_mark(body, conversation.cache)
    tidy_marks([*body.get("tools", ()), *parts, body], notes)


def allowed_tools(conversation: Conversation) -> list[Tool]:
    """The tools that `tool_choice` allows: servers without `allowed_tools` are offered only these."""
    allowed = conversation.tool_choice.allowed if conversation.tool_choice is not None else None
    return [tool for tool in conversation.tools if allowed is None or tool.name in allowed]


def _tools(body: Fields, conversation: Conversation, quirks: Quirks, notes: list[str]) -> None:
    choice = conversation.tool_choice
    tools = allowed_tools(conversation)
    if not tools:
        return
    body["tools"] = [_tool(tool, notes) for tool in tools]
    if choice is None:
        return
    forced = choice.mode in {"any", "tool"}
    can_force = quirks.forced_tools and (quirks.forced_tools_thinking or not _thinks(conversation, quirks))
    if forced and not can_force:
        notes.append("tool_choice: this endpoint cannot be forced to call a tool, auto is used")
    body["tool_choice"] = _choice(choice) if can_force or not forced else "auto"
    if choice.parallel is False:
        if quirks.parallel_tool_calls:
            body["parallel_tool_calls"] = False
        else:
            notes.append("parallel_tool_calls: not supported by this endpoint, dropped")


def _choice(choice: ToolChoice) -> str | Fields:
    if choice.mode == "tool" and choice.name is not None:
        return {"type": "function", "function": {"name": safe_name(choice.name)}}
    return "required" if choice.mode == "any" else choice.mode


def _tool(tool: Tool, notes: list[str]) -> Fields:
    function: Fields = {"name": safe_name(tool.name)}
    if tool.description:
        function["description"] = tool.description
    function["parameters"] = json_schema.adapt_for_openai(tool.schema)
    if tool.strict:
        parameters, strict = strict_for_openai(
            function["parameters"], wanted=True, field=f"tools ({function['name']})", notes=notes
        )
        function["parameters"] = parameters
        if strict:
            function["strict"] = True
    return {"type": "function", "function": function}


def _format(body: Fields, conversation: Conversation, quirks: Quirks, notes: list[str]) -> None:
    response_format = conversation.format
    if response_format is None or quirks.structured_output == "prompt":
        return
    if response_format.schema is None or quirks.structured_output == "json_object":
        body["response_format"] = {"type": "json_object"}
        return
    schema, strict = strict_for_openai(response_format.schema, response_format.strict, "response_format", notes)
    named_schema: Fields = {"name": safe_name(response_format.name), "schema": schema}
    if response_format.strict is not False:
        named_schema["strict"] = strict
    body["response_format"] = {"type": "json_schema", "json_schema": named_schema}


def _thinking(body: Fields, conversation: Conversation, quirks: Quirks, notes: list[str]) -> None:
    if quirks.split_reasoning:
        body["reasoning_split"] = True
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


def user_fields(body: Fields, conversation: Conversation, quirks: Quirks) -> None:
    """Set what the server takes of the user (as a hash, for it may be a name), the cache key, and the service tier."""
    if conversation.user is not None and quirks.user_field is not None:
        body[quirks.user_field] = hashlib.sha256(conversation.user.encode("utf-8", "replace")).hexdigest()[:_USER_HASH]
    if conversation.cache_key is not None and quirks.cache_key:
        body["prompt_cache_key"] = conversation.cache_key
    if conversation.service_tier is not None and quirks.service_tier:
        body["service_tier"] = conversation.service_tier
