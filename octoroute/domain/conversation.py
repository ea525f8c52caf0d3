"""What a question is made of: the other half of the hub, parsed only when a request must be translated.

Ordered content blocks, because every dialect's order can be derived from them and not the other way round. `extra` slots
carry what only one provider understands, so that it can be handed back to that provider untouched.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, TypeAlias

import msgspec


class Role(StrEnum):
    SYSTEM = "system"
    """Also OpenAI's `developer`; only after the first user turn: leading ones are `Conversation.system`."""
    USER = "user"
    ASSISTANT = "assistant"


class Text(msgspec.Struct, frozen=True, tag=True):
    text: str
    cache: bool = False
    """The client marked a prompt-cache breakpoint after this text."""


class Image(msgspec.Struct, frozen=True, tag=True):
    """Either `data` (base64, with `media_type`) or `url`."""

    media_type: str | None = None
    data: str | None = None
    url: str | None = None
    detail: str | None = None


class Document(msgspec.Struct, frozen=True, tag=True):
    """A file: base64 `data`, plain `text`, or a `url`."""

    media_type: str | None = None
    data: str | None = None
    text: str | None = None
    url: str | None = None
    title: str | None = None
    context: str | None = None


class Audio(msgspec.Struct, frozen=True, tag=True):
    data: str
    format: str


class Thinking(msgspec.Struct, frozen=True, tag=True):
    """`origin` says whose signature it is: anthropic, gemini, or octoroute (made here, proves nothing upstream)."""

    text: str
    signature: str | None = None
    origin: str | None = None


class RedactedThinking(msgspec.Struct, frozen=True, tag=True):
    data: str


class ToolCall(msgspec.Struct, frozen=True, tag=True):
    id: str
    name: str
    arguments: str
    """JSON text, as the model wrote it; "" means {}."""
    signature: str | None = None


class ToolResult(msgspec.Struct, frozen=True, tag=True):
    call_id: str
    content: tuple[Text | Image | Document, ...] = ()
    is_error: bool = False
    name: str | None = None


Block: TypeAlias = Text | Image | Document | Audio | Thinking | RedactedThinking | ToolCall | ToolResult


class Turn(msgspec.Struct, frozen=True):
    role: Role
    content: tuple[Block, ...]
    name: str | None = None


class Tool(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    description: str | None = None
    schema: dict[str, Any] | None = None
    """JSON Schema of the arguments; None: no parameters."""
    strict: bool | None = None


class ToolChoice(msgspec.Struct, frozen=True, kw_only=True):
    """`mode`: auto, any (must call one), none, or tool (must call `name`). `allowed`: only these, if given."""

    mode: str = "auto"
    name: str | None = None
    allowed: tuple[str, ...] | None = None
    parallel: bool | None = None


class AnswerFormat(msgspec.Struct, frozen=True, kw_only=True):
    """A JSON answer: any object (`schema=None`) or one that fits `schema`."""

    schema: dict[str, Any] | None = None
    name: str = "output"
    strict: bool | None = None


class ThinkingWish(msgspec.Struct, frozen=True, kw_only=True):
    """How much the model shall think. `effort`: none minimal low medium high xhigh max; `budget_tokens` as Anthropic counts."""

    enabled: bool | None = None
    effort: str | None = None
    budget_tokens: int | None = None
    adaptive: bool = False
    visible: bool = True


class Conversation(msgspec.Struct, frozen=True, kw_only=True):
    system: tuple[Text, ...] = ()
    turns: tuple[Turn, ...] = ()
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    format: AnswerFormat | None = None
    thinking: ThinkingWish | None = None
    user: str | None = None
    cache_key: str | None = None
    """Requests with the same key share a prompt prefix."""
    service_tier: str | None = None
    include_usage: bool = True
    """The client wants usage in the stream; inbound encoders look here."""
    ignored: tuple[str, ...] = ()
    """Fields of the client's that this vocabulary cannot say; reported in a warning header."""
