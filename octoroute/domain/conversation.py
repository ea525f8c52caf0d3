"""The dialect-neutral form of a request, decoded only when a request must be translated. Every struct is frozen.

Content is an ordered sequence of blocks, because the order of every dialect can be derived from it and not the reverse.
The counterpart for responses is `domain.events`.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, TypeAlias

import msgspec


class Role(StrEnum):
    """The author of a turn."""

    SYSTEM = "system"
    """Includes OpenAI's `developer`. Only after the first user turn: leading system messages are `Conversation.system`."""
    USER = "user"
    ASSISTANT = "assistant"


class Text(msgspec.Struct, frozen=True, tag=True):
    """Plain text."""

    text: str
    cache: str = ""
    """Prompt-cache breakpoint after this block (Anthropic's `cache_control`): its lifetime, 5m or 1h; "": none. In all blocks."""


class Image(msgspec.Struct, frozen=True, tag=True):
    """Either `data` (base64, with `media_type`) or `url`. `detail`: OpenAI's low, high, or auto; None: not given."""

    media_type: str | None = None
    data: str | None = None
    url: str | None = None
    detail: str | None = None
    cache: str = ""


class Document(msgspec.Struct, frozen=True, tag=True):
    """A file: exactly one of base64 `data` (with `media_type`), plain `text`, or `url`."""

    media_type: str | None = None
    data: str | None = None
    text: str | None = None
    url: str | None = None
    title: str | None = None
    context: str | None = None
    cache: str = ""


class Audio(msgspec.Struct, frozen=True, tag=True):
    """A sound: base64 `data` in `format`, e.g. wav or mp3."""

    data: str
    format: str


class Thinking(msgspec.Struct, frozen=True, tag=True):
    """Reasoning of an earlier turn.

    `origin` names the issuer of `signature`: anthropic, gemini, openrouter (its `reasoning_details`), or the provider of unsigned
    thinking, for which the gateway made a signature that is valid nowhere else.
    """

    text: str
    signature: str | None = None
    origin: str | None = None


class RedactedThinking(msgspec.Struct, frozen=True, tag=True):
    """Encrypted reasoning (Anthropic); opaque, returned to the provider unchanged."""

    data: str


class ToolCall(msgspec.Struct, frozen=True, tag=True):
    """A tool call that the model made in an earlier turn."""

    id: str
    name: str
    arguments: str
    """JSON text as the model wrote it; "" means {}."""
    signature: str | None = None
    """Gemini's thought signature of this call; None: there is none."""
    cache: str = ""


class ToolResult(msgspec.Struct, frozen=True, tag=True):
    """The result of the tool call with the id `call_id`. `name`: the tool's name; None: not given."""

    call_id: str
    content: tuple[Text | Image | Document | Audio, ...] = ()
    is_error: bool = False
    name: str | None = None
    cache: str = ""


Block: TypeAlias = Text | Image | Document | Audio | Thinking | RedactedThinking | ToolCall | ToolResult


class Turn(msgspec.Struct, frozen=True):
    """One message. `name`: the participant's name (OpenAI); None: not given."""

    role: Role
    content: tuple[Block, ...]
    name: str | None = None


class Tool(msgspec.Struct, frozen=True, kw_only=True):
    """A function that the model may call."""

    name: str
    description: str | None = None
    schema: dict[str, Any] | None = None
    """JSON Schema of the arguments; None: no parameters."""
    strict: bool | None = None
    """Arguments must match the schema exactly; None: not given."""
    cache: str = ""


class ToolChoice(msgspec.Struct, frozen=True, kw_only=True):
    """Which tools the model may or must call.

    `mode`: auto, any (must call one), none, or tool (must call `name`). `allowed`: the tools to choose from; None: all.
    `parallel`: several calls in one response are allowed; None: not given.
    """

    mode: str = "auto"
    name: str | None = None
    allowed: tuple[str, ...] | None = None
    parallel: bool | None = None


class AnswerFormat(msgspec.Struct, frozen=True, kw_only=True):
    """The response must be JSON: any object if `schema` is None, otherwise one that matches it."""

    schema: dict[str, Any] | None = None
    name: str = "output"
    strict: bool | None = None


class ThinkingWish(msgspec.Struct, frozen=True, kw_only=True):
    """The reasoning that the client asks for.

    `enabled`: None: not given. `effort`: none, minimal, low, medium, high, xhigh, or max. `budget_tokens`: tokens, as Anthropic
    counts them. `adaptive`: the model chooses the amount. `visible`: the reasoning is part of the response.
    """

    enabled: bool | None = None
    effort: str | None = None
    budget_tokens: int | None = None
    adaptive: bool = False
    visible: bool = True


class Conversation(msgspec.Struct, frozen=True, kw_only=True):
    """A whole request. An optional field that is None was not given by the client."""

    system: tuple[Text, ...] = ()
    turns: tuple[Turn, ...] = ()
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    stop: tuple[str, ...] = ()
    """Stop sequences."""
    seed: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    format: AnswerFormat | None = None
    thinking: ThinkingWish | None = None
    user: str | None = None
    """The client's id of its end user."""
    cache_key: str | None = None
    """Requests with the same key share a prompt prefix."""
    cache: str = ""
    """The server sets a cache breakpoint at the end of the request: its lifetime, as in `Text.cache`."""
    service_tier: str | None = None
    include_usage: bool = True
    """The client wants token usage in the stream; stream encoders of the client's dialect read this."""
    cites: tuple[str, ...] = ()
    """The fields that ask for citations of the documents; () unless they are wanted. They hold for all documents of the request."""
    ignored: tuple[str, ...] = ()
    """Fields of the request that have no counterpart here; reported in `x-octoroute-warning`."""
    notes: tuple[str, ...] = ()
    """Texts for `x-octoroute-warning`: what the decoder has changed."""
