"""Decodes the messages of a Messages request into the turns of a Conversation. Pure.

A value that a turn cannot express raises BadRequest or is listed in `Notes`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from octoroute.dialects.anthropic import schema
from octoroute.dialects.anthropic.server_tools import describe_result
from octoroute.dialects.request import media
from octoroute.dialects.request.cache_marks import read_mark
from octoroute.dialects.request.message_order import system_turns, unknown_role
from octoroute.dialects.request.raw_messages import RawMessages
from octoroute.dialects.request.thinking_signatures import parse_signature
from octoroute.domain.conversation import (
    Block,
    Document,
    Image,
    RedactedThinking,
    Role,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    Turn,
)
from octoroute.errors import BadRequest

_ROLES = {role.value: role for role in Role}
_CITE, _CITE_NOT = {"enabled": True}, {"enabled": False}
"""Of a document."""
_OWN_TURNS = frozenset({"mid_conv_system", "compaction"})
SERVER_RESULT = "_tool_result"
"""End of the type of a result of a tool that ran at Anthropic's servers; the result of a client's tool is `tool_result` itself."""
SUMMARY = "(summary of the conversation so far)\n"
"""Prefix of a compaction block's summary."""


class Notes:
    """What the warning header tells: `ignored` and `texts`, as in `Conversation`."""

    __slots__ = ("_raw", "body", "cites", "ignored", "texts")

    def __init__(self, body: bytes, ignored: Sequence[str]) -> None:
        self.body = body
        self.ignored = list(ignored)
        self.texts: list[str] = []
        self.cites: list[str] = []
        """As in `Conversation`."""
        self._raw: RawMessages | None = None

    @property
    def raw(self) -> RawMessages:
        self._raw = self._raw or RawMessages(self.body)
        return self._raw


def decode_messages(messages: Sequence[schema.Message], notes: Notes) -> Iterator[Turn]:
    """The turns of the messages. As at Anthropic, a compaction block replaces all that comes before it by its summary."""
    at, summary_at = _last_compaction(messages) if b"compaction" in notes.body else (-1, 0)
    if at >= 0 and (at or summary_at):
        notes.texts.append(f"messages[{at}].content[{summary_at}] (compaction): its summary replaces all messages before it")
    for number, message in enumerate(messages[max(at, 0) :], max(at, 0)):
        first = summary_at if number == at else 0
        yield from _turns(message, number, first, notes)


def _last_compaction(messages: Sequence[schema.Message]) -> tuple[int, int]:
    """(message, block) of the last compaction block that holds a summary; (-1, 0) if there is none."""
    for at in range(len(messages) - 1, -1, -1):
        content = messages[at].content
        if not isinstance(content, str):
            for place in range(len(content) - 1, -1, -1):
                if content[place].type == "compaction" and _texts(content[place]):
                    return at, place
    return -1, 0


def _turns(message: schema.Message, number: int, first: int, notes: Notes) -> Iterator[Turn]:
    """Decode a message into one turn, or into several if it contains system blocks or a summary. `first`: the first block read."""
    role = _ROLES.get(message.role)
    if role is None:
        notes.texts.append(unknown_role(f"messages[{number}]", message.role))
        role = Role.SYSTEM
    if isinstance(message.content, str):
        yield Turn(role, (Text(message.content),) if message.content else ())
        return
    blocks: list[Block] = []
    for at, block in enumerate(message.content[first:] if first else message.content, first):
        if (
            block.type == "text"
            and block.cache_control is block.citations is None
            and block.text
            and media.MARKDOWN_START not in block.text
        ):
            blocks.append(Text(block.text))  # nearly every block
            continue
        path = f"messages[{number}].content[{at}]"
        if block.type in _OWN_TURNS:
            yield Turn(role, tuple(blocks))
            blocks = []
            if block.type == "compaction":
                yield Turn(Role.USER, tuple(Text(SUMMARY + text) for text in _texts(block)))
            else:
                yield Turn(Role.SYSTEM, tuple(Text(text) for text in _texts(block)))
        else:
            if block.citations == _CITE:
                notes.cites.append(f"{path}.citations")
            elif block.citations and block.citations != _CITE_NOT:
                notes.ignored.append(f"{path}.citations")
            if block.type.endswith(SERVER_RESULT) and block.type != "tool_result":
                blocks.append(decode_server_result(notes.raw.part(number, at)))
            else:
                blocks += decode_block(block, path, assistant=role is Role.ASSISTANT, ignored=notes.ignored)
    if role is not Role.SYSTEM:
        yield Turn(role, tuple(blocks))
    else:
        yield from system_turns(blocks)


def decode_block(block: schema.Block, where: str, *, assistant: bool, ignored: list[str]) -> list[Block]:
    """Decode one block of a message. Raises BadRequest; unknown blocks of the assistant are added to `ignored`."""
    return _assistant_block(block, where, ignored) if assistant else _user_block(block, where)


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
    return [_result(block, where)] if block.type == "tool_result" else [*_content_block(block, where)]


def _content_block(block: schema.Block, where: str) -> list[Text | Image | Document]:
    """Decode a block that may occur in user turns and in tool results."""
    match block.type:
        case "text" if block.text is not None:
            return [Text(block.text, cache=read_mark(block.cache_control))] if block.text else []
        case "image" if isinstance(block.source, schema.Source):
            return [_image(block.source, read_mark(block.cache_control), where)]
        case "document" if isinstance(block.source, schema.Source):
            return _document(block, block.source, where)
        case "search_result":
            source = block.source if isinstance(block.source, str) else ""
            text = "\n".join(filter(None, (block.title, source, *_texts(block))))
            return [Text(text, cache=read_mark(block.cache_control))]
        case "tool_reference":
            return [Text(f"(tool: {block.tool_name or block.name})")]
        case _:
            raise BadRequest(f"{where}: this endpoint does not support blocks of type '{block.type}'", param=where)


def _image(source: schema.Source, cache: str, where: str) -> Image:
    if source.type == "base64" and source.data is not None:
        return Image(media_type=media.media_type_name(source.media_type or ""), data=source.data, cache=cache)
    if source.type == "url" and source.url is not None:
        image = media.image_from_url(source.url, f"{where}.source.url")
        return msgspec.structs.replace(image, cache=cache) if cache else image
    raise BadRequest(
        f"{where}.source: images of type '{source.type}' are supported by Anthropic's servers only; send base64 or url", param=where
    )


def _document(block: schema.Block, source: schema.Source, where: str) -> list[Text | Image | Document]:
    common: dict[str, Any] = {"title": block.title, "context": block.context, "cache": read_mark(block.cache_control)}
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
    return ToolResult(block.tool_use_id, tuple(parts), bool(block.is_error), None, read_mark(block.cache_control))


def _assistant_block(block: schema.Block, where: str, ignored: list[str]) -> list[Block]:
    match block.type:
        case "text":
            return media.split_markdown_images(block.text or "", read_mark(block.cache_control))
        case "image" | "document" | "search_result":
            return [*_content_block(block, where)]
        case "thinking":
            return [_thinking_block(block)]
        case "redacted_thinking" if block.data is not None:
            return [RedactedThinking(block.data)]
        case "tool_use" if block.id is not None and block.name is not None:
            return [ToolCall(block.id, block.name, schema.input_text(block), None, read_mark(block.cache_control))]
        case "server_tool_use" | "mcp_tool_use":
            return [Text(f"(used {block.name or 'a tool'}: {schema.input_text(block) or '{}'})\n")]
        case other:
            ignored.append(f"{where} ({other})")
            return []


def decode_server_result(block: dict[str, Any]) -> Text:
    """The result of a tool that ran at Anthropic's servers, as plain JSON."""
    text = describe_result(block.get("content")) or "not shown"
    return Text(f"(its result: {text})\n", cache=read_mark(block.get("cache_control")))


def _thinking_block(block: schema.Block) -> Thinking:
    origin, payload = parse_signature(block.signature or "") or ("anthropic", block.signature or None)
    return Thinking(block.thinking or "", signature=payload, origin=origin)
