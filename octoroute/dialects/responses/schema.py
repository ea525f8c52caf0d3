"""Wire structs of OpenAI's Responses requests: the fields that the decoder reads. Other fields are skipped. Pure.

Source: https://platform.openai.com/docs/api-reference/responses/create. One struct serves all items, because `type` is optional.
A field whose type differs from one item type to the next is `Any`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from octoroute.dialects.request.body import decode


class Sound(msgspec.Struct):
    data: str
    format: str


class Part(msgspec.Struct):
    type: str = ""
    text: str | None = None
    refusal: str | None = None
    image_url: str | None = None
    detail: str | None = None
    file_id: str | None = None
    file_data: str | None = None
    file_url: str | None = None
    filename: str | None = None
    input_audio: Sound | None = None
    annotations: Any = None


class Format(msgspec.Struct):
    """Of the response's text, or of a custom tool's input (`syntax` and `definition` of a grammar)."""

    type: str = "text"
    name: str = "output"
    schema: dict[str, Any] | None = None
    strict: bool | None = None
    syntax: str | None = None
    definition: str | None = None


class Tool(msgspec.Struct):
    type: str
    name: str = ""
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None
    format: Format | None = None
    execution: str | None = None
    """Of `tool_search`: client, or server (the default)."""
    tools: list[Tool] | None = None
    """Of a namespace."""


class Item(msgspec.Struct):
    type: str = "message"
    role: str | None = None
    content: str | list[Part] | None = None
    id: str | None = None
    call_id: str | None = None
    name: str | None = None
    namespace: str | None = None
    arguments: Any = None
    input: Any = None
    output: Any = None
    summary: list[Part] | None = None
    encrypted_content: str | None = None
    tools: list[msgspec.Raw] | None = None
    action: Any = None
    operation: Any = None
    code: Any = None
    outputs: Any = None
    queries: Any = None
    results: Any = None
    result: Any = None
    error: Any = None
    server_label: str | None = None
    author: str | None = None


class ItemType(msgspec.Struct):
    type: str = "message"


class NamedTool(msgspec.Struct):
    type: str
    name: str | None = None
    namespace: str | None = None


class Choice(msgspec.Struct):
    type: str
    name: str | None = None
    namespace: str | None = None
    mode: str | None = None
    tools: list[NamedTool] | None = None


class TextConfig(msgspec.Struct):
    format: Format | None = None
    verbosity: str | None = None


class Reasoning(msgspec.Struct):
    effort: str | None = None


class Request(msgspec.Struct):
    input: str | list[msgspec.Raw] | None = None
    """See `read_items`."""
    model: str | None = None
    stream: bool | None = None
    instructions: str | None = None
    tools: list[Tool] | None = None
    tool_choice: str | Choice | None = None
    parallel_tool_calls: bool | None = None
    max_output_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    text: TextConfig | None = None
    reasoning: Reasoning | None = None
    user: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    service_tier: str | None = None
    previous_response_id: str | None = None
    conversation: Any = None
    background: bool | None = None
    prompt: Any = None
    store: bool | None = None
    include: list[str] | None = None
    metadata: Any = None
    truncation: str | None = None
    stream_options: Any = None


INPUT_ITEMS = msgspec.json.Decoder(str | list[msgspec.Raw] | None)
"""Decodes the field `input`: a text, or the JSON of each item."""
_ITEM = msgspec.json.Decoder(Item)
_HEAD = msgspec.json.Decoder(ItemType)
_TOOL = msgspec.json.Decoder(Tool)
STRICT_ITEMS = frozenset({"message", "reasoning", "function_call", "function_call_output"})
"""An item of one of these types must have the fields that the decoder reads."""


def read_items(raws: Sequence[msgspec.Raw]) -> list[Item]:
    """Decode `Request.input`. Raises BadRequest that names the field.

    An item of another type than `STRICT_ITEMS` may have any fields: one that cannot be read keeps only its type.
    """
    items: list[Item] = []
    for at, raw in enumerate(raws):
        try:
            items.append(_ITEM.decode(raw))
        except (ValueError, RecursionError):
            head = decode(raw, _HEAD, f"input[{at}]")
            if head.type in STRICT_ITEMS:
                decode(raw, _ITEM, f"input[{at}]")
            items.append(Item(type=head.type))
    return items


def read_tools(raws: Sequence[msgspec.Raw]) -> list[Tool]:
    """Decode the tools that an item loads. One that cannot be read keeps only its type, as it does in `read_items`."""
    tools: list[Tool] = []
    for raw in raws:
        try:
            tools.append(_TOOL.decode(raw))
        except (ValueError, RecursionError):
            try:
                tools.append(Tool(type=_HEAD.decode(raw).type))
            except (ValueError, RecursionError):
                continue
    return tools
