"""Wire structs of Chat Completions: the fields that the decoders read. Other fields are skipped. Pure.

Lenient where servers deviate from the format (null for absent, an object for JSON text), strict where a guess would be wrong.
"""

from __future__ import annotations

from typing import Any, cast

import msgspec

from octoroute.dialects.openai.annotations import Annotation, SearchResult
from octoroute.dialects.response.error_shapes import is_failed_base
from octoroute.dialects.response.usage import OpenAIUsage


class ImageUrl(msgspec.Struct):
    url: str
    detail: str | None = None


class File(msgspec.Struct):
    filename: str | None = None
    file_data: str | None = None
    file_id: str | None = None


class InputAudio(msgspec.Struct):
    data: str
    format: str


class Part(msgspec.Struct):
    """Any content part; `type` decides which of the fields applies."""

    type: str = ""
    text: str | None = None
    thinking: Any = None
    refusal: str | None = None
    image_url: ImageUrl | str | None = None
    file: File | None = None
    input_audio: InputAudio | None = None
    signature: str | None = None
    """Of thinking, in Anthropic's form."""
    cache_control: Any = None


class Function(msgspec.Struct):
    name: str
    arguments: Any = ""


class Google(msgspec.Struct):
    thought_signature: str | None = None


class ExtraContent(msgspec.Struct):
    google: Google | None = None


class SignedCall(msgspec.Struct):
    """A call of a request or of a response, whose signature is in Google's extension of the format."""

    id: str | None = None
    extra_content: ExtraContent | None = None

    @property
    def signature(self) -> str | None:
        google = self.extra_content.google if self.extra_content else None
        return google.thought_signature if google else None


class Call(SignedCall):
    type: str | None = None
    function: Function | None = None


class ThinkingBlock(msgspec.Struct):
    type: str = "thinking"
    thinking: str | None = None
    signature: str | None = None
    data: str | None = None


class AudioAnswer(msgspec.Struct):
    """An answer in sound: in a history often the id alone, by which its maker knows it."""

    transcript: str | None = None


class Message(msgspec.Struct):
    role: str
    content: str | list[Part] | None = None
    name: str | None = None
    tool_calls: list[Call] | None = None
    tool_call_id: str | None = None
    function_call: Function | None = None
    refusal: str | None = None
    reasoning_content: Any = None
    reasoning: Any = None
    thinking_blocks: list[ThinkingBlock] | None = None
    reasoning_details: list[dict[str, Any]] | None = None
    images: list[Part] | None = None
    audio: AudioAnswer | None = None
    annotations: Any = None
    cache_control: Any = None


class ToolFunction(msgspec.Struct):
    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None
    cache_control: Any = None


class Tool(msgspec.Struct):
    type: str = "function"
    function: ToolFunction | None = None
    cache_control: Any = None


class FunctionName(msgspec.Struct):
    name: str


class AllowedTool(msgspec.Struct):
    type: str = "function"
    function: FunctionName | None = None


class AllowedTools(msgspec.Struct):
    mode: str = "auto"
    tools: list[AllowedTool] = []


class Choice(msgspec.Struct):
    type: str | None = None
    function: FunctionName | None = None
    name: str | None = None
    allowed_tools: AllowedTools | None = None


class JsonSchema(msgspec.Struct):
    name: str = "output"
    schema: dict[str, Any] | None = None
    strict: bool | None = None


class ResponseFormat(msgspec.Struct):
    type: str
    json_schema: JsonSchema | None = None


class Reasoning(msgspec.Struct):
    """OpenRouter's object."""

    effort: str | None = None
    max_tokens: int | None = None
    enabled: bool | None = None
    exclude: bool = False


class ThinkingSwitch(msgspec.Struct):
    type: str | None = None
    budget_tokens: int | None = None


class StreamOptions(msgspec.Struct):
    include_usage: bool | None = None


class Request(msgspec.Struct):
    messages: list[Message]
    model: str | None = None
    stream: bool | None = None
    n: int | None = None
    modalities: list[str] | None = None
    tools: list[Tool] | None = None
    functions: list[ToolFunction] | None = None
    tool_choice: str | Choice | None = None
    function_call: str | Choice | None = None
    parallel_tool_calls: bool | None = None
    max_completion_tokens: int | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    stop: str | list[str] | None = None
    seed: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    response_format: ResponseFormat | None = None
    reasoning_effort: str | None = None
    reasoning: Reasoning | None = None
    thinking: ThinkingSwitch | None = None
    enable_thinking: bool | None = None
    thinking_budget: int | None = None
    user: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    service_tier: str | None = None
    stream_options: StreamOptions | None = None
    cache_control: Any = None


class FunctionDelta(msgspec.Struct):
    name: str | None = None
    arguments: Any = None


class CallDelta(SignedCall):
    index: int | None = None
    function: FunctionDelta | None = None


class Delta(msgspec.Struct):
    """The delta of a chunk, or the message of a non-streaming response."""

    content: str | list[Part] | None = None
    reasoning_content: Any = None
    reasoning: Any = None
    reasoning_details: list[dict[str, Any]] | None = None
    """OpenRouter's and MiniMax's form of thinking."""
    images: list[Part] | None = None
    annotations: list[Annotation] | None = None
    audio: AudioAnswer | None = None
    refusal: str | None = None
    tool_calls: list[CallDelta] | None = None
    function_call: FunctionDelta | None = None


class CompletionChoice(msgspec.Struct):
    index: int | None = None
    delta: Delta | None = None
    message: Delta | None = None
    text: str | None = None
    finish_reason: str | None = None
    stop_reason: Any = None
    """vLLM: the stop sequence that ended the response."""
    error: Any = None
    """OpenRouter: the failure of the provider that it asked."""


class ChatCompletion(msgspec.Struct):
    """A chunk, a non-streaming response, or an error in place of either."""

    id: Any = None
    model: Any = None
    choices: list[CompletionChoice] | None = None
    usage: OpenAIUsage | None = None
    error: Any = None
    base_resp: Any = None
    citations: list[str] | None = None
    """Perplexity and xAI: addresses of the sources."""
    search_results: list[SearchResult] | None = None
    """Perplexity."""


def with_signature(call: dict[str, Any], signature: str | None) -> dict[str, Any]:
    """Add the signature of an encoded call where `SignedCall` reads it; None adds none. Returns `call`."""
    if signature is not None:
        call["extra_content"] = {"google": {"thought_signature": signature}}
    return call


def has_failed(response: ChatCompletion) -> bool:
    """True for an error in place of a response or of a chunk, or beside it. One without a sign of it may still be one."""
    if response.error is not None and (response.error or (response.choices is None and response.error == {})):
        return True
    if response.base_resp is not None and is_failed_base(response.base_resp):
        return True
    return any(choice.error for choice in response.choices or ())


def text_within(thinking: object) -> str:
    """Thinking as text, also if a server wraps it in parts."""
    if isinstance(thinking, str):
        return thinking
    if isinstance(thinking, list):
        return "".join(text_within(item) for item in cast("list[object]", thinking))
    return text_within(cast("dict[str, object]", thinking).get("text")) if isinstance(thinking, dict) else ""
