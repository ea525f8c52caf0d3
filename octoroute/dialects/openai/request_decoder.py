"""Decodes a client's Chat Completions request into a Conversation. Pure.

A value that a Conversation cannot express raises BadRequest or is listed in `ignored`.

Source: https://platform.openai.com/docs/api-reference/chat/create, with extensions that clients of compatible servers use:
`reasoning_content`, `reasoning_details`, `thinking_blocks`, `images`, `cache_control`, Google's `extra_content`, and the content
blocks of Anthropic.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from octoroute.dialects.openai import schema
from octoroute.dialects.openai.message_decoder import MessageReader, decode_messages
from octoroute.dialects.request.cache_marks import read_mark
from octoroute.dialects.request.json_input import read_request, reject_deep_nesting, unread_fields
from octoroute.dialects.request.message_order import split_system
from octoroute.domain.conversation import (
    AnswerFormat,
    Conversation,
    ThinkingWish,
    Tool,
    ToolChoice,
)
from octoroute.errors import BadRequest

_REQUEST = msgspec.json.Decoder(schema.Request)
_READ = frozenset(schema.Request.__struct_encode_fields__) | {"octoroute"}
_UNSET = frozenset({b"null", b"false"})


@reject_deep_nesting
def decode_request(body: bytes) -> Conversation:
    """Raises BadRequest that names the field."""
    request = read_request(_REQUEST, body)
    if request.n is not None and request.n > 1:
        raise BadRequest("n: this endpoint returns one choice only; leave n out", param="n")
    if "audio" in (request.modalities or ()):
        raise BadRequest("modalities: this endpoint does not answer in sound; leave audio out", param="modalities")
    reader = MessageReader(body)
    system, turns = split_system((), decode_messages(request.messages, reader))
    return Conversation(
        system=system,
        turns=turns,
        tools=tuple(_tools(request)),
        tool_choice=_tool_choice(request),
        max_tokens=request.max_completion_tokens if request.max_completion_tokens is not None else request.max_tokens,
        temperature=request.temperature,
        top_p=request.top_p,
        top_k=request.top_k,
        stop=tuple(filter(None, [request.stop] if isinstance(request.stop, str) else request.stop or ())),
        seed=request.seed,
        presence_penalty=request.presence_penalty,
        frequency_penalty=request.frequency_penalty,
        format=_format(request.response_format),
        thinking=_thinking(request),
        user=request.safety_identifier or request.user,
        cache_key=request.prompt_cache_key,
        service_tier=request.service_tier,
        include_usage=bool(request.stream_options and request.stream_options.include_usage),
        cache=read_mark(request.cache_control),
        ignored=(*unread_fields(body, _READ, unset=_UNSET), *reader.ignored),
        notes=tuple(reader.notes),
    )


def _tools(request: schema.Request) -> Iterator[Tool]:
    for at, tool in enumerate(request.tools or ()):
        if tool.function is None or tool.type != "function":
            raise BadRequest(
                f"tools[{at}]: this endpoint does not support tools of type '{tool.type}'; use function tools",
                param=f"tools[{at}]",
            )
        yield _tool(tool.function, tool.cache_control)
    for function in request.functions or ():
        yield _tool(function)


def _tool(function: schema.ToolFunction, mark: object = None) -> Tool:
    return Tool(
        name=function.name,
        description=function.description,
        schema=function.parameters,
        strict=function.strict,
        cache=read_mark(mark) or read_mark(function.cache_control),
    )


def _tool_choice(request: schema.Request) -> ToolChoice | None:
    choice = request.tool_choice if request.tool_choice is not None else request.function_call
    parallel = request.parallel_tool_calls
    if request.functions and not request.tools:
        parallel = False  # their answer has room for one call
    if choice is None:
        return None if parallel is None else ToolChoice(parallel=parallel)
    if isinstance(choice, str):
        modes = {"none": "none", "auto": "auto", "required": "any"}
        if choice not in modes:
            raise BadRequest(f"tool_choice: must be none, auto, or required, not '{choice}'", param="tool_choice")
        return ToolChoice(mode=modes[choice], parallel=parallel)
    if choice.allowed_tools is not None:
        allowed = choice.allowed_tools
        names = tuple(tool.function.name for tool in allowed.tools if tool.function is not None)
        return ToolChoice(mode="any" if allowed.mode == "required" else "auto", allowed=names, parallel=parallel)
    name = choice.function.name if choice.function is not None else choice.name
    if name is None:
        raise BadRequest("tool_choice: this endpoint supports only functions; name one of them", param="tool_choice")
    return ToolChoice(mode="tool", name=name, parallel=parallel)


def _format(response_format: schema.ResponseFormat | None) -> AnswerFormat | None:
    if response_format is None or response_format.type == "text":
        return None
    if response_format.type == "json_object":
        return AnswerFormat()
    if response_format.type != "json_schema" or response_format.json_schema is None:
        raise BadRequest(
            f"response_format.type: must be text, json_object, or json_schema, not '{response_format.type}'",
            param="response_format",
        )
    json_schema = response_format.json_schema
    return AnswerFormat(schema=json_schema.schema or {}, name=json_schema.name, strict=json_schema.strict)


def _thinking(request: schema.Request) -> ThinkingWish | None:
    if request.reasoning_effort is not None:
        return ThinkingWish(effort=request.reasoning_effort)
    if (reasoning := request.reasoning) is not None:
        return ThinkingWish(
            enabled=reasoning.enabled, effort=reasoning.effort, budget_tokens=reasoning.max_tokens, visible=not reasoning.exclude
        )
    if (thinking := request.thinking) is not None:
        return ThinkingWish(enabled=thinking.type != "disabled", budget_tokens=thinking.budget_tokens)
    if request.enable_thinking is not None:
        return ThinkingWish(enabled=request.enable_thinking, budget_tokens=request.thinking_budget)
    return None
