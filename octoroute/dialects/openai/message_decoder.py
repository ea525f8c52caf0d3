"""Decodes the messages of a Chat Completions request into the turns of a Conversation. Pure.

A value that a turn cannot express raises BadRequest or is listed by the reader.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from octoroute.dialects.anthropic import schema as anthropic
from octoroute.dialects.anthropic.message_decoder import SERVER_RESULT, decode_block, decode_server_result
from octoroute.dialects.openai import schema
from octoroute.dialects.openai.reasoning_details import ORIGIN, detail_text, pack_details, read_signed_details
from octoroute.dialects.request import media
from octoroute.dialects.request.body import decode
from octoroute.dialects.request.cache_marks import read_mark
from octoroute.dialects.request.json_input import json_text
from octoroute.dialects.request.message_order import ERROR_MARK, system_turns, unknown_role
from octoroute.dialects.request.raw_messages import RawMessages
from octoroute.dialects.request.thinking_signatures import parse_signature
from octoroute.domain.conversation import (
    Audio,
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

_BLOCK = msgspec.json.Decoder(anthropic.Block)
_ERROR = ERROR_MARK.rstrip()
_RESULT_PARTS = (Text, Image, Document, Audio)
_SYSTEM_ROLES = ("system", "developer")
_ANTHROPIC = frozenset(
    {"tool_use", "tool_result", "redacted_thinking", "image", "document", "search_result", "server_tool_use", "mcp_tool_use"}
)
"""Types of Anthropic's blocks that some clients send in messages of this format."""


class MessageReader:
    """One request while its messages are decoded."""

    __slots__ = ("calls", "ignored", "notes", "raw", "unnamed")

    def __init__(self, body: bytes) -> None:
        self.raw = RawMessages(body)
        self.ignored: list[str] = []
        self.notes: list[str] = []
        self.calls: dict[str, str] = {}
        """Legacy function name → the id generated for its last call."""
        self.unnamed: list[str] = []
        """Ids generated for the calls of the last assistant message that have none; results without an id belong to them."""


def decode_messages(messages: Sequence[schema.Message], reader: MessageReader) -> Iterator[Turn]:
    for at, message in enumerate(messages):
        role = message.role
        if role == "user" and message.cache_control is message.name is None and isinstance(message.content, str):
            yield Turn(Role.USER, (Text(message.content),) if message.content else ())  # nearly every message of a user
        elif role == "user":
            yield Turn(Role.USER, _marked(_parts(message.content, at, reader), message), message.name)
        elif role == "assistant":
            yield Turn(Role.ASSISTANT, _marked(_assistant(message, at, reader), message), message.name)
        elif role in {"tool", "function"}:
            yield from _result(message, at, reader)
        else:
            if role not in _SYSTEM_ROLES:
                reader.notes.append(unknown_role(f"messages[{at}]", role))
            yield from system_turns(_marked(_parts(message.content, at, reader), message))


def _marked(blocks: Iterator[Block], message: schema.Message) -> tuple[Block, ...]:
    """The blocks; a mark of the whole message is that of its last text."""
    found = tuple(blocks)
    if message.cache_control is None:
        return found
    mark = read_mark(message.cache_control)
    if mark and found and isinstance(last := found[-1], Text):
        return (*found[:-1], Text(last.text, cache=last.cache or mark))
    return found


def _parts(
    content: str | Sequence[schema.Part] | None, message: int, reader: MessageReader, *, assistant: bool = False
) -> Iterator[Block]:
    if content is None:
        return
    if isinstance(content, str):
        if assistant:
            yield from media.split_markdown_images(content)
        elif content:
            yield Text(content)
        return
    for at, part in enumerate(content):
        where = f"messages[{message}].content[{at}]"
        if part.type == "text" and part.text is not None and part.cache_control is None:
            yield Text(part.text)
        elif part.type in _ANTHROPIC or part.type.endswith(SERVER_RESULT):
            yield from _anthropic_block(reader.raw.part(message, at), where, reader, assistant=assistant)
        elif part.thinking is not None and assistant:
            yield _typed_thinking(part.thinking, part.signature)
        else:
            yield _part(part, where)


def _anthropic_block(part: dict[str, Any], where: str, reader: MessageReader, *, assistant: bool) -> Sequence[Block]:
    if str(part.get("type")).endswith(SERVER_RESULT):
        return (decode_server_result(part),)
    block = decode(msgspec.json.encode(part), _BLOCK, where)
    return decode_block(block, where, assistant=assistant, ignored=reader.ignored)


def _typed_thinking(thinking: object, signature: str | None) -> Thinking:
    """Thinking in Anthropic's form: with a signature of Anthropic's, or one that octoroute made."""
    text = schema.text_within(thinking)
    origin, payload = parse_signature(signature or "") or ("anthropic", signature)
    return Thinking(text, payload, origin) if payload else Thinking(text)


def _part(part: schema.Part, where: str) -> Text | Image | Document | Audio:
    match part.type:
        case "text" | "input_text" | "output_text" if part.text is not None:
            return Text(part.text, cache=read_mark(part.cache_control))
        case "refusal" if part.refusal is not None:
            return Text(part.refusal)
        case "image_url" if part.image_url is not None:
            return _image(part.image_url, read_mark(part.cache_control), f"{where}.image_url.url")
        case "file" if part.file is not None:
            return _file(part.file, f"{where}.file")
        case "input_audio" if part.input_audio is not None:
            return Audio(part.input_audio.data, part.input_audio.format)
        case _:
            raise BadRequest(f"{where}: unknown part type '{part.type}', or its content is missing", param=where)


def _image(given: schema.ImageUrl | str, cache: str, where: str) -> Image:
    url, detail = (given, None) if isinstance(given, str) else (given.url, given.detail)
    image = media.image_from_url(url, where, detail)
    return msgspec.structs.replace(image, cache=cache) if cache else image


def _file(file: schema.File, where: str) -> Document:
    if file.file_data is None:
        raise BadRequest(f"{where}: this endpoint does not take stored files; send the content in file_data", param=where)
    return media.document_from_file(file.file_data, file.filename, f"{where}.file_data")


def _assistant(message: schema.Message, at: int, reader: MessageReader) -> Iterator[Block]:
    where = f"messages[{at}]"
    yield from _thoughts(message)
    yield from _parts(message.content, at, reader, assistant=True)
    if message.refusal:
        yield Text(message.refusal)
    if message.audio is not None:
        yield from _sound(message, message.audio, where, reader)
    if message.annotations:
        reader.ignored.append(f"{where}.annotations")
    for number, image in enumerate(message.images or ()):
        if image.image_url is not None:
            yield _image(image.image_url, "", f"{where}.images[{number}].image_url.url")
    calls = message.tool_calls or ()
    reader.unnamed = [f"call_{at}_{number}" for number, call in enumerate(calls) if not call.id] if calls else []
    for number, call in enumerate(calls):
        if call.function is None:
            raise BadRequest(
                f"{where}.tool_calls[{number}]: only function calls are supported", param=f"{where}.tool_calls[{number}]"
            )
        yield ToolCall(call.id or f"call_{at}_{number}", call.function.name, json_text(call.function.arguments), call.signature)
    if message.function_call is not None:
        reader.calls[message.function_call.name] = id = f"call_{at}_function"
        yield ToolCall(id, message.function_call.name, json_text(message.function_call.arguments))


def _sound(message: schema.Message, sound: schema.AudioAnswer, where: str, reader: MessageReader) -> Iterator[Text]:
    """An earlier answer in sound: its words, if the client sends them and the message has no other."""
    if sound.transcript and not message.content:
        reader.notes.append(f"{where}.audio: only its transcript is passed on to this endpoint")
        yield Text(sound.transcript)
    else:
        reader.ignored.append(f"{where}.audio")


def _thoughts(message: schema.Message) -> Iterator[Block]:
    """The thinking in the fields of a message, once: clients repeat it in several of them."""
    if message.reasoning_content is message.reasoning is message.reasoning_details is message.thinking_blocks is None:
        return
    if message.thinking_blocks:
        for block in message.thinking_blocks:
            if block.type == "redacted_thinking" and block.data is not None:
                yield RedactedThinking(block.data)
            elif block.thinking is not None:
                yield _typed_thinking(block.thinking, block.signature)
        return
    details = message.reasoning_details or []
    if own := read_signed_details(details):
        yield from own
        return
    text = detail_text(details) or schema.text_within(message.reasoning_content) or schema.text_within(message.reasoning)
    packed = pack_details(details)
    if packed is not None:
        yield Thinking(text, packed, ORIGIN)
    elif text and not (isinstance(message.content, list) and any(part.thinking is not None for part in message.content)):
        yield Thinking(text)


def _result(message: schema.Message, at: int, reader: MessageReader) -> Iterator[Turn]:
    where = f"messages[{at}]"
    id = message.tool_call_id or reader.calls.get(message.name or "") or (reader.unnamed.pop(0) if reader.unnamed else None)
    if id is None:
        raise BadRequest(
            f"{where}.tool_call_id: missing; send the id of the call that this result belongs to", param=f"{where}.tool_call_id"
        )
    content = list(_parts(message.content, at, reader))
    first = content[0] if content else None
    is_error = isinstance(first, Text) and first.text.startswith(_ERROR)
    if isinstance(first, Text) and is_error:
        content[0] = Text(first.text.removeprefix(_ERROR).removeprefix(" "), cache=first.cache)
    parts = tuple([block for block in content if isinstance(block, _RESULT_PARTS)])
    yield Turn(Role.USER, (ToolResult(id, parts, is_error, message.name, read_mark(message.cache_control)),))
    if len(parts) < len(content):
        yield Turn(Role.USER, tuple(block for block in content if block not in parts))
