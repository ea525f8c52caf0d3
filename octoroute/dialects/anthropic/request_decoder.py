"""Decodes a client's Messages request into a Conversation. Pure.

A value that a Conversation cannot express raises BadRequest or is listed in `ignored`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from octoroute.dialects.anthropic import schema
from octoroute.dialects.anthropic.message_decoder import Notes, decode_messages
from octoroute.dialects.request.cache_marks import read_mark
from octoroute.dialects.request.json_input import read_request, reject_deep_nesting, unread_fields
from octoroute.dialects.request.message_order import split_system
from octoroute.domain.conversation import (
    AnswerFormat,
    Conversation,
    Text,
    ThinkingWish,
    Tool,
    ToolChoice,
)
from octoroute.errors import BadRequest

BILLING_LINE = "x-anthropic-billing-header:"
"""Start of Claude Code's first system block. Its hash differs in every conversation, which would defeat prompt caches."""
_MODES = {"auto": "auto", "any": "any", "tool": "tool", "none": "none"}
_TIERS = {"auto": "auto", "standard_only": "default"}
_REQUEST = msgspec.json.Decoder(schema.Request)
_READ = frozenset(schema.Request.__struct_encode_fields__) | {"octoroute"}
_UNSET = frozenset({b"null"})


@reject_deep_nesting
def decode_request(body: bytes) -> Conversation:
    """Raises BadRequest that names the field."""
    request = read_request(_REQUEST, body)
    notes = Notes(body, unread_fields(body, _READ, unset=_UNSET))
    _reject_state(notes.ignored)
    tools = tuple(_tools(request, notes.ignored))
    system, turns = split_system(_system(request), decode_messages(request.messages, notes))
    return Conversation(
        system=system,
        turns=turns,
        tools=tools,
        tool_choice=_tool_choice(request.tool_choice, tools),
        max_tokens=request.max_tokens,
        temperature=request.temperature,
        top_p=request.top_p,
        top_k=request.top_k,
        stop=tuple(filter(None, request.stop_sequences or ())),
        format=_format(request),
        thinking=_thinking(request),
        user=request.metadata.user_id if request.metadata else None,
        service_tier=_TIERS.get(request.service_tier or ""),
        cache=read_mark(request.cache_control),
        cites=tuple(notes.cites),
        ignored=tuple(notes.ignored),
        notes=tuple(notes.texts),
    )


def _reject_state(fields: Sequence[str]) -> None:
    """Raise BadRequest for a conversation that is stored at Anthropic. Its SDK reads `details` and sends all messages instead."""
    if "thread" in fields:
        raise BadRequest(
            "thread: stored conversations are not supported by this endpoint; send all messages",
            param="thread",
            details={"error_code": "thread_unsupported_request", "unsupported": ["thread"]},
        )
    if "compaction" in fields:
        raise BadRequest(
            "compaction: supported by Anthropic's servers only; leave it out and ask for a summary in a message", param="compaction"
        )


def _system(request: schema.Request) -> Iterator[Text]:
    if isinstance(request.system, str):
        yield from [Text(request.system)] if request.system.strip() else []
        return
    for at, block in enumerate(request.system or ()):
        if block.text is None or block.type != "text":
            raise BadRequest(f"system[{at}]: must be a text block", param=f"system[{at}]")
        if block.text.strip() and not (at == 0 and block.text.startswith(BILLING_LINE)):
            yield Text(block.text, cache=read_mark(block.cache_control))


def _tools(request: schema.Request, ignored: list[str]) -> Iterator[Tool]:
    for at, tool in enumerate(request.tools or ()):
        if tool.type not in {None, "custom"}:
            ignored.append(f"tools[{at}] ({tool.type} runs at Anthropic only)")
        elif not tool.name:
            raise BadRequest(f"tools[{at}].name: missing; name the tool", param=f"tools[{at}].name")
        else:
            yield Tool(
                name=tool.name,
                description=tool.description,
                schema=tool.input_schema,
                strict=tool.strict,
                cache=read_mark(tool.cache_control),
            )


def _tool_choice(choice: schema.ToolChoice | None, tools: Sequence[Tool]) -> ToolChoice | None:
    if choice is None or not tools or (choice.type == "tool" and all(tool.name != choice.name for tool in tools)):
        return None
    if choice.type not in _MODES:
        raise BadRequest(f"tool_choice.type: must be one of {', '.join(_MODES)}, not '{choice.type}'", param="tool_choice.type")
    return ToolChoice(mode=_MODES[choice.type], name=choice.name, parallel=False if choice.disable_parallel_tool_use else None)


def _format(request: schema.Request) -> AnswerFormat | None:
    output_format = (request.output_config and request.output_config.format) or request.output_format
    if output_format is None or output_format.type != "json_schema":
        return None
    return AnswerFormat(schema=output_format.schema or {}, strict=True)


def _thinking(request: schema.Request) -> ThinkingWish | None:
    config = request.thinking
    effort = request.output_config.effort if request.output_config else None
    if config is None:
        return None if effort is None else ThinkingWish(effort=effort, visible=False)
    if config.type == "disabled":
        return ThinkingWish(enabled=False, visible=False)
    return ThinkingWish(
        enabled=True if config.type == "enabled" else None,
        adaptive=config.type == "adaptive",
        effort=effort,
        budget_tokens=config.budget_tokens,
        visible=config.display != "omitted",
    )
