"""Decodes a client's Responses request into a Conversation. Pure.

References to stored items are replaced before, by `gateway.stored_conversations`; one that is left raises BadRequest.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from octoroute.dialects.request.body import RequestBody, decode
from octoroute.dialects.request.json_input import read_request, reject_deep_nesting, unread_fields
from octoroute.dialects.request.message_order import split_system
from octoroute.dialects.responses import schema
from octoroute.dialects.responses.compaction import TRIGGER, summary_conversation, wants_summary
from octoroute.dialects.responses.item_decoder import LOADERS, ItemDecoder, offer_loaded
from octoroute.dialects.responses.tools import CUSTOM, FUNCTION, SEARCH, ToolTable
from octoroute.domain.conversation import (
    AnswerFormat,
    Conversation,
    Role,
    Text,
    ThinkingWish,
    ToolChoice,
    Turn,
)
from octoroute.errors import BadRequest

_REQUEST = msgspec.json.Decoder(schema.Request)
_READ = frozenset(schema.Request.__struct_encode_fields__) | {"octoroute"}
_UNSET = frozenset({b"null", b"false"})
_TOOLS = msgspec.json.Decoder(list[schema.Tool] | None)
_NULL = msgspec.Raw(b"null")
_LOADERS = tuple(f'"{name}"'.encode() for name in LOADERS)
_CALLABLE = frozenset({FUNCTION, CUSTOM, SEARCH, "namespace"})
_MODES = {"auto": "auto", "required": "any", "none": "none"}


@reject_deep_nesting
def decode_request(body: bytes) -> Conversation:
    """Raises BadRequest that names the field."""
    request = read_request(_REQUEST, body)
    reject_state(request)
    table, notes = ToolTable(), list(unread_fields(body, _READ, unset=_UNSET))
    table.offer(request.tools or (), "tools")
    turns = list(_turns(request.input, ItemDecoder(table, notes)))
    system, rest = split_system([Text(request.instructions)] if request.instructions else [], turns)
    choice = _tool_choice(request, table, notes)
    if request.text is not None and request.text.verbosity is not None:
        notes.append("text.verbosity")
    conversation = Conversation(
        system=system,
        turns=rest,
        tools=table.offered,
        tool_choice=choice if table.offered else None,
        max_tokens=request.max_output_tokens,
        temperature=request.temperature,
        top_p=request.top_p,
        format=_format(request.text),
        thinking=ThinkingWish(effort=request.reasoning.effort) if request.reasoning and request.reasoning.effort else None,
        user=request.safety_identifier or request.user,
        cache_key=request.prompt_cache_key,
        service_tier=request.service_tier,
        ignored=tuple(dict.fromkeys([*notes, *table.left_out])),
    )
    return summary_conversation(conversation) if TRIGGER in body and wants_summary(RequestBody.parse(body)) else conversation


def client_tools(body: RequestBody) -> ToolTable:
    """The tools of a request that `decode_request` has read, or will read, without its other fields."""
    table = ToolTable()
    raw = body.values.get("tools")
    table.offer((None if raw is None else decode(raw, _TOOLS, "tools")) or (), "tools")
    if any(name in body.raw for name in _LOADERS):
        items = decode(body.values.get("input", _NULL), schema.INPUT_ITEMS, "input")
        if isinstance(items, list):
            offer_loaded(table, schema.read_items([item for item in items if any(name in bytes(item) for name in _LOADERS)]))
    return table


def reject_state(request: schema.Request) -> None:
    """Raise BadRequest for a conversation or a prompt stored elsewhere, and for background responses.

    `previous_response_id` is only repeated: `gateway.stored_conversations` has put the earlier items into `input`.
    """
    for name, value in (("conversation", request.conversation), ("prompt", request.prompt)):
        if value:
            raise BadRequest(f"{name}: not stored by this gateway; send the items in input", param=name)
    if request.background:
        raise BadRequest("background: not supported by this gateway; leave it out", param="background")


def _turns(items: str | Sequence[msgspec.Raw] | None, decoder: ItemDecoder) -> Iterator[Turn]:
    if items is None:
        raise BadRequest("input: missing; send a string or a list of items", param="input")
    if isinstance(items, str):
        yield Turn(Role.USER, (Text(items),) if items else ())
    else:
        yield from decoder.turns(schema.read_items(items))


def _tool_choice(request: schema.Request, tools: ToolTable, notes: list[str]) -> ToolChoice | None:
    choice, parallel = request.tool_choice, request.parallel_tool_calls
    if choice is None:
        return None if parallel is None else ToolChoice(parallel=parallel)
    if isinstance(choice, str):
        if choice not in _MODES:
            raise BadRequest(f"tool_choice: must be one of {', '.join(_MODES)}, not '{choice}'", param="tool_choice")
        return ToolChoice(mode=_MODES[choice], parallel=parallel)
    if choice.type == "allowed_tools":
        allowed = [name for tool in choice.tools or () for name in _chosen(tool, tools)]
        hosted = [tool.type for tool in choice.tools or () if tool.type not in _CALLABLE]
        notes += [f"tool_choice ({kind} does not run here)" for kind in dict.fromkeys(hosted)]
        mode = "any" if choice.mode == "required" and allowed else "auto"
        return ToolChoice(mode=mode, allowed=tuple(dict.fromkeys(allowed)), parallel=parallel)
    if choice.type not in _CALLABLE:
        notes.append(f"tool_choice ({choice.type} does not run here)")
        return ToolChoice(parallel=parallel)
    chosen = _chosen(choice, tools)
    if not chosen:
        raise BadRequest(
            f"tool_choice: no {choice.type} '{choice.name or ''}' in tools; choose one of them", param="tool_choice.name"
        )
    if len(chosen) > 1:
        return ToolChoice(mode="any", allowed=tuple(chosen), parallel=parallel)
    return ToolChoice(mode="tool", name=chosen[0], parallel=parallel)


def _chosen(choice: schema.Choice | schema.NamedTool, tools: ToolTable) -> list[str]:
    """The flat names of the offered tools that a choice names; a namespace stands for all of its tools."""
    if choice.type == "namespace":
        return list(tools.group(choice.name or choice.namespace or ""))
    if choice.type not in _CALLABLE:
        return []
    found = tools.find(choice.type, choice.name or choice.type, choice.namespace)
    return [] if found is None else [found]


def _format(text: schema.TextConfig | None) -> AnswerFormat | None:
    text_format = text.format if text is not None else None
    if text_format is None or text_format.type == "text":
        return None
    if text_format.type == "json_object":
        return AnswerFormat()
    if text_format.type != "json_schema":
        raise BadRequest(
            f"text.format.type: must be text, json_object, or json_schema, not '{text_format.type}'", param="text.format.type"
        )
    return AnswerFormat(schema=text_format.schema or {}, name=text_format.name, strict=text_format.strict)
