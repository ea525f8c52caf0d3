"""Wire structs of OpenAI's Responses requests: the fields that the decoder reads. Other fields are skipped. Pure.

Source: https://platform.openai.com/docs/api-reference/responses/create. One struct serves all items, because `type` is optional.
"""

from __future__ import annotations

from typing import Any

import msgspec


class Part(msgspec.Struct):
    type: str
    text: str | None = None
    refusal: str | None = None
    image_url: str | None = None
    detail: str | None = None
    file_id: str | None = None
    file_data: str | None = None
    file_url: str | None = None
    filename: str | None = None


class Item(msgspec.Struct):
    type: str = "message"
    role: str | None = None
    content: str | list[Part] | None = None
    id: str | None = None
    call_id: str | None = None
    name: str | None = None
    arguments: str | None = None
    output: str | list[Part] | None = None
    summary: list[Part] | None = None
    encrypted_content: str | None = None


class Tool(msgspec.Struct):
    type: str
    name: str = ""
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class NamedTool(msgspec.Struct):
    type: str
    name: str | None = None


class Choice(msgspec.Struct):
    type: str
    name: str | None = None
    mode: str | None = None
    tools: list[NamedTool] | None = None


class Format(msgspec.Struct):
    type: str = "text"
    name: str = "output"
    schema: dict[str, Any] | None = None
    strict: bool | None = None


class TextConfig(msgspec.Struct):
    format: Format | None = None
    verbosity: str | None = None


class Reasoning(msgspec.Struct):
    effort: str | None = None


class Request(msgspec.Struct):
    input: str | list[Item] | None = None
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
