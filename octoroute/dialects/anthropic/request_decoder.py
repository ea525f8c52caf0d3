"""Decodes a client's Messages request into a Conversation. Pure.

A value that a Conversation cannot express raises BadRequest or is listed in `ignored`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from octoroute.dialects.anthropic import schema
from octoroute.dialects.request import media
from octoroute.dialects.request.json_input import read_request, reject_deep_nesting, unread_fields
from octoroute.dialects.request.message_order import split_system
from octoroute.dialects.request.thinking_signatures import parse_signature
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
    ignored = list(unread_fields(body, _READ, unset=_UNSET))
    _reject_state(ignored)
    tools = tuple(_tools(request, ignored))
    turns = (turn for at, message in enumerate(request.messages) for turn in _turns(message, f"messages[{at}]", ignored))
    system, turns = split_system(_system(request), turns)
    return Conversation(
        system=system,
        turns=turns,
        tools=tools,
        tool_choice=_tool_choice(request.tool_choice, tools),
        max_tokens=request.max_tokens,
        temperature=request.temperature,
        top_p=request.top_p,
        top_k=request.top_k,
        stop=tuple(request.stop_sequences or ()),
        format=_format(request),
        thinking=_thinking(request),
        user=request.metadata.user_id if request.metadata else None,
        service_tier=_TIERS.get(request.service_tier or ""),
        ignored=tuple(ignored),
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
            yield Text(block.text, cache=block.cache_control is not None)


def _turns(message: schema.Message, where: str, ignored: list[str]) -> Iterator[Turn]:
    """Decode a message into one turn, or into several if a user message contains system blocks."""
    try:
        role = Role(message.role)
    except ValueError:
        raise BadRequest(f"{where}.role: must be user, assistant, or system, not '{message.role}'", param=f"{where}.role") from None
    if isinstance(message.content, str):
        yield Turn(role, (Text(message.content),) if message.content else ())
        return
    blocks: list[Block] = []
    for at, block in enumerate(message.content):
        path = f"{where}.content[{at}]"
        if block.type == "mid_conv_system":
            yield Turn(role, tuple(blocks))
            blocks = []
            yield Turn(Role.SYSTEM, tuple(Text(text) for text in _texts(block)))
        elif role is Role.ASSISTANT:
            blocks += _assistant_block(block, path, ignored)
        else:
            blocks += _user_block(block, path)
    yield Turn(role, tuple(blocks))


def _texts(block: schema.Block) -> list[str]:
    """All texts of a block and the blocks inside it."""
    found = [block.text] if block.text else []
    if isinstance(block.content, str):
        found.append(block.content)
    else:
        inner = [block.content] if isinstance(block.content, schema.Block) else block.content or []
        found += [text for part in inner for text in (_texts(part) or [part.title or "", part.url or ""]) if text]
    return found


def _user_block(block: schema.Block, where: str) -> list[Block]:
    match block.type:
        case "tool_result":
            return [_result(block, where)]
        case _:
            return [*_content_block(block, where)]


def _content_block(block: schema.Block, where: str) -> list[Text | Image | Document]:
    """Decode a block that may occur in user turns and in tool results."""
    match block.type:
        case "text" if block.text is not None:
            return [Text(block.text, cache=block.cache_control is not None)] if block.text else []
        case "image" if isinstance(block.source, schema.Source):
            return [_image(block.source, where)]
        case "document" if isinstance(block.source, schema.Source):
            return _document(block, block.source, where)
        case "search_result":
            source = block.source if isinstance(block.source, str) else ""
            return [Text("\n".join(filter(None, (block.title, source, *_texts(block)))))]
        case "tool_reference":
            return [Text(f"(tool: {block.tool_name or block.name})")]
        case _:
            raise BadRequest(f"{where}: this endpoint does not support blocks of type '{block.type}'", param=where)


def _image(source: schema.Source, where: str) -> Image:
    if source.type == "base64" and source.data is not None:
        return Image(media_type=media.media_type_name(source.media_type or ""), data=source.data)
    if source.type == "url" and source.url is not None:
        return media.image_from_url(source.url, f"{where}.source.url")
    raise BadRequest(
        f"{where}.source: images of type '{source.type}' are supported by Anthropic's servers only; send base64 or url", param=where
    )


def _document(block: schema.Block, source: schema.Source, where: str) -> list[Text | Image | Document]:
    common = {"title": block.title, "context": block.context}
    match source.type:
        case "base64" if source.data is not None:
            return [Document(media_type=source.media_type or media.PDF, data=source.data, **common)]
        case "text" if source.data is not None:
            return [Document(media_type="text/plain", text=source.data, **common)]
        case "url" if source.url is not None:
            media.check_web_url(source.url, f"{where}.source.url")
            return [Document(url=source.url, **common)]
        case "content":
            if isinstance(source.content, str):
                return [Document(media_type="text/plain", text=source.content, **common)]
            inner = enumerate(source.content or ())
            return [part for at, piece in inner for part in _content_block(piece, f"{where}.source.content[{at}]")]
        case _:
            raise BadRequest(
                f"{where}.source: type '{source.type}' is supported by Anthropic's servers only; send base64, text, or url",
                param=where,
            )


def _result(block: schema.Block, where: str) -> ToolResult:
    if block.tool_use_id is None:
        raise BadRequest(
            f"{where}.tool_use_id: missing; send the id of the tool_use block that this result belongs to",
            param=f"{where}.tool_use_id",
        )
    content = block.content
    if isinstance(content, str):
        parts: Sequence[Text | Image | Document] = [Text(content)] if content else []
    else:
        inner = [content] if isinstance(content, schema.Block) else content or []
        parts = [part for at, piece in enumerate(inner) for part in _content_block(piece, f"{where}.content[{at}]")]
    return ToolResult(block.tool_use_id, tuple(parts), bool(block.is_error))


def _assistant_block(block: schema.Block, where: str, ignored: list[str]) -> list[Block]:
    match block.type:
        case "text":
            return [Text(block.text)] if block.text else []
        case "thinking":
            return [_thinking_block(block)]
        case "redacted_thinking" if block.data is not None:
            return [RedactedThinking(block.data)]
        case "tool_use" if block.id is not None and block.name is not None:
            return [ToolCall(block.id, block.name, schema.input_text(block))]
        case "server_tool_use" | "mcp_tool_use":
            return [Text(f"(used {block.name or 'a tool'}: {schema.input_text(block) or '{}'})")]
        case other if other.endswith("_tool_result"):
            return [Text(f"(its result: {' · '.join(_texts(block)) or 'not shown'})")]
        case other:
            ignored.append(f"{where} ({other})")
            return []


def _thinking_block(block: schema.Block) -> Thinking:
    signature = block.signature or ""
    foreign = parse_signature(signature)
    if foreign is not None:
        return Thinking(block.thinking or "", signature=foreign[1], origin=foreign[0])
    return Thinking(block.thinking or "", signature=signature or None, origin="anthropic")


def _tools(request: schema.Request, ignored: list[str]) -> Iterator[Tool]:
    for at, tool in enumerate(request.tools or ()):
        if tool.type not in {None, "custom"}:
            ignored.append(f"tools[{at}] ({tool.type} runs at Anthropic only)")
        elif not tool.name:
            raise BadRequest(f"tools[{at}].name: missing; name the tool", param=f"tools[{at}].name")
        else:
            yield Tool(name=tool.name, description=tool.description, schema=tool.input_schema, strict=tool.strict)


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
