"""Wire structs of Anthropic's Messages: the fields that the decoders read. Other fields are skipped. Pure.

Source: https://docs.anthropic.com/en/api/messages. One struct serves all blocks, so that a new block type does not break decoding.
"""

from __future__ import annotations

from typing import Any

import msgspec

from octoroute.dialects.response.usage import AnthropicUsage


class Source(msgspec.Struct):
    type: str
    media_type: str | None = None
    data: str | None = None
    url: str | None = None
    file_id: str | None = None
    content: str | list[Block] | None = None


class Block(msgspec.Struct):
    """Any content block; `type` decides which of the fields apply."""

    type: str = ""
    text: str | None = None
    source: Source | str | None = None
    title: str | None = None
    context: str | None = None
    url: str | None = None
    content: str | list[Block] | Block | None = None
    id: str | None = None
    name: str | None = None
    input: msgspec.Raw = msgspec.Raw()
    tool_use_id: str | None = None
    tool_name: str | None = None
    is_error: bool | None = None
    thinking: str | None = None
    signature: str | None = None
    data: str | None = None
    citations: Any = None
    cache_control: Any = None


class Message(msgspec.Struct):
    role: str
    content: str | list[Block]


class Tool(msgspec.Struct):
    name: str = ""
    type: str | None = None
    description: str | None = None
    input_schema: dict[str, Any] | None = None
    strict: bool | None = None
    cache_control: Any = None


class ToolChoice(msgspec.Struct):
    type: str
    name: str | None = None
    disable_parallel_tool_use: bool | None = None


class ThinkingConfig(msgspec.Struct):
    type: str
    budget_tokens: int | None = None
    display: str | None = None


class OutputFormat(msgspec.Struct):
    type: str
    schema: dict[str, Any] | None = None


class OutputConfig(msgspec.Struct):
    effort: str | None = None
    format: OutputFormat | None = None


class Metadata(msgspec.Struct):
    user_id: str | None = None


class Request(msgspec.Struct):
    messages: list[Message]
    model: str | None = None
    stream: bool | None = None
    max_tokens: int | None = None
    system: str | list[Block] | None = None
    tools: list[Tool] | None = None
    tool_choice: ToolChoice | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    stop_sequences: list[str] | None = None
    thinking: ThinkingConfig | None = None
    output_config: OutputConfig | None = None
    output_format: OutputFormat | None = None
    metadata: Metadata | None = None
    service_tier: str | None = None
    cache_control: Any = None


class Delta(msgspec.Struct):
    type: str | None = None
    text: str | None = None
    thinking: str | None = None
    signature: str | None = None
    partial_json: str | None = None
    citation: Any = None
    stop_reason: str | None = None
    stop_sequence: str | None = None
    stop_details: StopDetails | None = None


class StopDetails(msgspec.Struct):
    explanation: str | None = None


class MessageResponse(msgspec.Struct):
    """A non-streaming response, or the `message` of `message_start`."""

    type: str | None = None
    id: str | None = None
    model: str | None = None
    content: list[Block] | None = None
    stop_reason: str | None = None
    stop_sequence: str | None = None
    stop_details: StopDetails | None = None
    usage: AnthropicUsage | None = None
    error: Any = None


class StreamEvent(msgspec.Struct):
    """Any event of a stream; `type` decides which of the fields apply."""

    type: str | None = None
    index: int = 0
    message: MessageResponse | None = None
    content_block: Block | None = None
    delta: Delta | None = None
    usage: AnthropicUsage | None = None
    error: Any = None


def input_text(block: Block) -> str:
    """A tool call's input as compact JSON text, in the model's order of keys; "" if it is empty."""
    raw = bytes(block.input).strip()
    if not raw or raw in {b"null", b"{}"}:
        return ""
    try:
        return msgspec.json.format(raw, indent=-1).decode()
    except (ValueError, RecursionError):
        return raw.decode("utf-8", "replace")
