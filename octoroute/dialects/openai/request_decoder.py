"""Decodes a client's Chat Completions request into a Conversation. Pure.

A value that a Conversation cannot express raises BadRequest or is listed in `ignored`.

Source: https://platform.openai.com/docs/api-reference/chat/create, with extensions that clients of compatible servers use:
`reasoning_content`, `thinking_blocks`, `cache_control`, and Google's `extra_content`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from octoroute.dialects.openai import schema
from octoroute.dialects.request import media
from octoroute.dialects.request.json_input import read_request, reject_deep_nesting, unread_fields
from octoroute.dialects.request.message_order import ERROR_MARK, split_system
from octoroute.domain.conversation import (
    AnswerFormat,
    Audio,
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
_SYSTEM_ROLES = ("system", "developer")


@reject_deep_nesting
def decode_request(body: bytes) -> Conversation:
    """Raises BadRequest that names the field."""
    request = read_request(_REQUEST, body)
    if request.n is not None and request.n > 1:
        raise BadRequest("n: this endpoint returns one choice only; leave n out", param="n")
    system, turns = _messages(request.messages)
    return Conversation(
        system=system,
        turns=turns,
        tools=tuple(_tools(request)),
        tool_choice=_tool_choice(request),
        max_tokens=request.max_completion_tokens if request.max_completion_tokens is not None else request.max_tokens,
        temperature=request.temperature,
        top_p=request.top_p,
        top_k=request.top_k,
        stop=tuple([request.stop] if isinstance(request.stop, str) else request.stop or ()),
        seed=request.seed,
        presence_penalty=request.presence_penalty,
        frequency_penalty=request.frequency_penalty,
        format=_format(request.response_format),
        thinking=_thinking(request),
        user=request.safety_identifier or request.user,
        cache_key=request.prompt_cache_key,
        service_tier=request.service_tier,
        include_usage=bool(request.stream_options and request.stream_options.include_usage),
        ignored=unread_fields(body, _READ, unset=_UNSET),
    )


def _messages(messages: Sequence[schema.Message]) -> tuple[tuple[Text, ...], tuple[Turn, ...]]:
    turns: list[Turn] = []
    calls: dict[str, str] = {}  # legacy function name → the id generated for its last call
    for at, message in enumerate(messages):
        where = f"messages[{at}]"
        if message.role in _SYSTEM_ROLES:
            texts = [block for block in _parts(message.content, where) if isinstance(block, Text)]
            turns.append(Turn(Role.SYSTEM, tuple(texts)))
        elif message.role == "user":
            turns.append(Turn(Role.USER, tuple(_parts(message.content, where)), message.name))
        elif message.role == "assistant":
            turns.append(Turn(Role.ASSISTANT, tuple(_assistant(message, where, at, calls)), message.name))
        elif message.role in {"tool", "function"}:
            turns.append(Turn(Role.USER, (_result(message, where, calls),)))
        else:
            raise BadRequest(
                f"{where}.role: must be system, developer, user, assistant, tool, or function, not '{message.role}'",
                param=f"{where}.role",
            )
    return split_system((), turns)


def _parts(content: str | Sequence[schema.Part] | None, where: str) -> Iterator[Text | Image | Document | Audio]:
    if content is None:
        return
    if isinstance(content, str):
        if content:
            yield Text(content)
        return
    for at, part in enumerate(content):
        yield _part(part, f"{where}.content[{at}]")


def _part(part: schema.Part, where: str) -> Text | Image | Document | Audio:
    match part.type:
        case "text" | "input_text" | "output_text" if part.text is not None:
            return Text(part.text, cache=part.cache_control is not None)
        case "refusal" if part.refusal is not None:
            return Text(part.refusal)
        case "image_url" if part.image_url is not None:
            image = schema.ImageUrl(part.image_url) if isinstance(part.image_url, str) else part.image_url
            return media.image_from_url(image.url, f"{where}.image_url.url", image.detail)
        case "file" if part.file is not None:
            return _file(part.file, f"{where}.file")
        case "input_audio" if part.input_audio is not None:
            return Audio(part.input_audio.data, part.input_audio.format)
        case _:
            raise BadRequest(f"{where}: unknown part type '{part.type}', or its content is missing", param=where)


def _file(file: schema.File, where: str) -> Document:
    if file.file_data is None:
        raise BadRequest(f"{where}: this endpoint does not take stored files; send the content in file_data", param=where)
    if not file.file_data.startswith("data:"):
        return Document(media_type=media.PDF, data=file.file_data, title=file.filename)
    media_type, data = media.split_data_url(file.file_data, f"{where}.file_data")
    return Document(media_type=media_type, data=data, title=file.filename)


def _assistant(message: schema.Message, where: str, at: int, calls: dict[str, str]) -> Iterator[Block]:
    for block in message.thinking_blocks or ():
        if block.type == "redacted_thinking" and block.data is not None:
            yield RedactedThinking(block.data)
        elif block.thinking is not None:
            yield Thinking(block.thinking, block.signature or None, "anthropic" if block.signature else None)
    reasoning = schema.text_within(message.reasoning_content) or schema.text_within(message.reasoning)
    content = message.content
    if isinstance(content, list):  # typed parts, as some servers send them
        reasoning = reasoning or "".join(schema.text_within(part.thinking) for part in content)
        content = [part for part in content if part.thinking is None]
    if reasoning and not message.thinking_blocks:
        yield Thinking(reasoning)
    yield from _parts(content, where)
    if message.refusal:
        yield Text(message.refusal)
    for number, call in enumerate(message.tool_calls or ()):
        if call.function is None:
            raise BadRequest(
                f"{where}.tool_calls[{number}]: only function calls are supported", param=f"{where}.tool_calls[{number}]"
            )
        yield ToolCall(
            call.id or f"call_{at}_{number}", call.function.name, schema.arguments_text(call.function.arguments), call.signature
        )
    if message.function_call is not None:
        calls[message.function_call.name] = id = f"call_{at}_function"
        yield ToolCall(id, message.function_call.name, schema.arguments_text(message.function_call.arguments))


def _result(message: schema.Message, where: str, calls: Mapping[str, str]) -> ToolResult:
    id = message.tool_call_id or calls.get(message.name or "")
    if id is None:
        raise BadRequest(
            f"{where}.tool_call_id: missing; send the id of the call that this result belongs to", param=f"{where}.tool_call_id"
        )
    content = list(_parts(message.content, where))
    first = content[0] if content else None
    is_error = isinstance(first, Text) and first.text.startswith(ERROR_MARK.rstrip())
    if isinstance(first, Text) and is_error:
        content[0] = Text(first.text.removeprefix(ERROR_MARK.rstrip()).removeprefix(" "))
    if any(isinstance(block, Audio) for block in content):
        raise BadRequest(f"{where}.content: audio is not supported in tool results; send text or images", param=f"{where}.content")
    return ToolResult(id, tuple(block for block in content if not isinstance(block, Audio)), is_error, message.name)


def _tools(request: schema.Request) -> Iterator[Tool]:
    for at, tool in enumerate(request.tools or ()):
        if tool.function is None or tool.type != "function":
            raise BadRequest(
                f"tools[{at}]: this endpoint does not support tools of type '{tool.type}'; use function tools",
                param=f"tools[{at}]",
            )
        yield _tool(tool.function)
    for function in request.functions or ():
        yield _tool(function)


def _tool(function: schema.ToolFunction) -> Tool:
    return Tool(name=function.name, description=function.description, schema=function.parameters, strict=function.strict)


def _tool_choice(request: schema.Request) -> ToolChoice | None:
    choice = request.tool_choice if request.tool_choice is not None else request.function_call
    parallel = request.parallel_tool_calls
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
