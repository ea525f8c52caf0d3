"""Decodes a client's Responses request into a Conversation. Pure.

No responses are stored, so a reference to an earlier one raises BadRequest.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from octoroute.dialects.request import media
from octoroute.dialects.request.json_input import read_request, reject_deep_nesting, unread_fields
from octoroute.dialects.request.message_order import split_system
from octoroute.dialects.request.thinking_signatures import parse_signature
from octoroute.dialects.responses import schema
from octoroute.domain.conversation import (
    AnswerFormat,
    Block,
    Conversation,
    Document,
    Image,
    RedactedThinking,
    Role,
    Text,
    Thinking,
    ThinkingWish,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    Turn,
)
from octoroute.errors import BadRequest

_REQUEST = msgspec.json.Decoder(schema.Request)
_READ = frozenset(schema.Request.__struct_encode_fields__) | {"octoroute"}
_UNSET = frozenset({b"null", b"false"})
_MODES = {"auto": "auto", "required": "any", "none": "none"}
_ROLES = {"user": Role.USER, "assistant": Role.ASSISTANT, "system": Role.SYSTEM, "developer": Role.SYSTEM}
REDACTED = "redacted"
"""Origin that marks redacted thinking in `encrypted_content`."""


@reject_deep_nesting
def decode_request(body: bytes) -> Conversation:
    """Raises BadRequest that names the field."""
    request = read_request(_REQUEST, body)
    reject_state(request)
    system, turns = split_system([Text(request.instructions)] if request.instructions else [], _turns(request.input))
    return Conversation(
        system=system,
        turns=turns,
        tools=tuple(_tools(request.tools or ())),
        tool_choice=_tool_choice(request),
        max_tokens=request.max_output_tokens,
        temperature=request.temperature,
        top_p=request.top_p,
        format=_format(request.text),
        thinking=ThinkingWish(effort=request.reasoning.effort) if request.reasoning and request.reasoning.effort else None,
        user=request.safety_identifier or request.user,
        cache_key=request.prompt_cache_key,
        service_tier=request.service_tier,
        ignored=unread_fields(body, _READ, unset=_UNSET),
    )


def reject_state(request: schema.Request) -> None:
    """Raise BadRequest for a reference to stored state, and for background responses."""
    if request.previous_response_id:
        raise BadRequest(
            "previous_response_id: responses are not stored by this gateway; send the earlier items in input",
            param="previous_response_id",
        )
    for name, value in (("conversation", request.conversation), ("prompt", request.prompt)):
        if value:
            raise BadRequest(f"{name}: not stored by this gateway; send the items in input", param=name)
    if request.background:
        raise BadRequest("background: not supported by this gateway; leave it out", param="background")


def _turns(items: str | Sequence[schema.Item] | None) -> Iterator[Turn]:
    if items is None:
        raise BadRequest("input: missing; send a string or a list of items", param="input")
    if isinstance(items, str):
        yield Turn(Role.USER, (Text(items),) if items else ())
        return
    for at, item in enumerate(items):
        yield _turn(item, f"input[{at}]")


def _turn(item: schema.Item, where: str) -> Turn:
    match item.type:
        case "message":
            role = _ROLES.get(item.role or "")
            if role is None:
                raise BadRequest(f"{where}.role: must be one of {', '.join(_ROLES)}, not '{item.role}'", param=f"{where}.role")
            return Turn(role, tuple(_parts(item.content, f"{where}.content")))
        case "function_call" if item.call_id is not None and item.name is not None:
            return Turn(Role.ASSISTANT, (ToolCall(item.call_id, item.name, item.arguments or ""),))
        case "function_call_output" if item.call_id is not None:
            return Turn(Role.USER, (ToolResult(item.call_id, tuple(_parts(item.output, f"{where}.output"))),))
        case "reasoning":
            return Turn(Role.ASSISTANT, tuple(_reasoning(item)))
        case "item_reference":
            raise BadRequest(f"{where}: items are not stored by this gateway; send the item itself", param=where)
        case "function_call" | "function_call_output":
            raise BadRequest(f"{where}: call_id or name is missing; send both", param=where)
        case other:
            raise BadRequest(
                f"{where}: items of type '{other}' belong to tools that run at OpenAI only; leave them out", param=where
            )


def _reasoning(item: schema.Item) -> Iterator[Block]:
    """Decode thinking. `encrypted_content` holds the provider's signature if octoroute wrote it; OpenAI's own is unreadable."""
    text = "".join(part.text or "" for part in item.summary or ())
    signed = parse_signature(item.encrypted_content or "")
    if signed is not None and signed[0] == REDACTED:
        yield RedactedThinking(signed[1])
    elif signed is not None:
        yield Thinking(text, signature=signed[1], origin=signed[0])
    elif text:
        yield Thinking(text)


def _parts(content: str | Sequence[schema.Part] | None, where: str) -> Iterator[Text | Image | Document]:
    if isinstance(content, str):
        yield from [Text(content)] if content else []
        return
    for at, part in enumerate(content or ()):
        yield _part(part, f"{where}[{at}]")


def _part(part: schema.Part, where: str) -> Text | Image | Document:
    match part.type:
        case "input_text" | "output_text" | "text" if part.text is not None:
            return Text(part.text)
        case "refusal" if part.refusal is not None:
            return Text(part.refusal)
        case "input_image" if part.image_url is not None:
            return media.image_from_url(part.image_url, f"{where}.image_url", part.detail)
        case "input_file" if part.file_data is not None:
            if not part.file_data.startswith("data:"):
                return Document(media_type=media.PDF, data=part.file_data, title=part.filename)
            media_type, data = media.split_data_url(part.file_data, f"{where}.file_data")
            return Document(media_type=media_type, data=data, title=part.filename)
        case "input_file" if part.file_url is not None:
            media.check_web_url(part.file_url, f"{where}.file_url")
            return Document(url=part.file_url, title=part.filename)
        case "input_image" | "input_file":
            raise BadRequest(f"{where}: stored files are not supported by this endpoint; send the data itself", param=where)
        case other:
            raise BadRequest(f"{where}: unknown part type '{other}', or its content is missing", param=where)


def _tools(tools: Sequence[schema.Tool]) -> Iterator[Tool]:
    for at, tool in enumerate(tools):
        if tool.type != "function":
            raise BadRequest(f"tools[{at}].type: '{tool.type}' runs at OpenAI only; use function tools", param=f"tools[{at}].type")
        if not tool.name:
            raise BadRequest(f"tools[{at}].name: missing; name the function", param=f"tools[{at}].name")
        yield Tool(name=tool.name, description=tool.description, schema=tool.parameters, strict=tool.strict)


def _tool_choice(request: schema.Request) -> ToolChoice | None:
    choice, parallel = request.tool_choice, request.parallel_tool_calls
    if choice is None:
        return None if parallel is None else ToolChoice(parallel=parallel)
    if isinstance(choice, str):
        if choice not in _MODES:
            raise BadRequest(f"tool_choice: must be one of {', '.join(_MODES)}, not '{choice}'", param="tool_choice")
        return ToolChoice(mode=_MODES[choice], parallel=parallel)
    if choice.type == "allowed_tools":
        names = tuple(tool.name for tool in choice.tools or () if tool.name)
        return ToolChoice(mode="any" if choice.mode == "required" else "auto", allowed=names, parallel=parallel)
    if choice.type != "function" or choice.name is None:
        raise BadRequest(f"tool_choice.type: '{choice.type}' runs at OpenAI only; choose a function", param="tool_choice.type")
    return ToolChoice(mode="tool", name=choice.name, parallel=parallel)


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
