"""Wire structs of Ollama's requests: the fields that are read. Other fields are skipped. Pure.

Source: https://github.com/ollama/ollama/blob/main/docs/api.md and the types of its clients.
"""

from __future__ import annotations

from typing import Any

import msgspec


class CalledFunction(msgspec.Struct):
    name: str = ""
    arguments: dict[str, Any] | str | None = None
    """An object; text is taken too, because clients of OpenAI's format send it."""


class HistoryCall(msgspec.Struct):
    id: str | None = None
    function: CalledFunction | None = None


class ChatMessage(msgspec.Struct):
    role: str = "user"
    content: str | None = None
    thinking: str | None = None
    images: list[str] | None = None
    """Base64, or data URLs."""
    tool_calls: list[HistoryCall] | None = None
    tool_name: str | None = None
    name: str | None = None
    """An older name of `tool_name`."""
    tool_call_id: str | None = None


class OfferedFunction(msgspec.Struct):
    name: str = ""
    description: str | None = None
    parameters: dict[str, Any] | None = None


class OfferedTool(msgspec.Struct):
    type: str | None = None
    function: OfferedFunction | None = None


class RunOptions(msgspec.Struct):
    temperature: float | None = None
    top_p: float | None = None
    top_k: float | None = None
    num_predict: int | None = None
    stop: list[str] | str | None = None
    seed: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None


class ChatOrGenerate(msgspec.Struct):
    """The fields of /api/chat and of /api/generate; `messages` is only in the first."""

    messages: list[ChatMessage] | None = None
    tools: list[OfferedTool] | None = None
    prompt: str | None = None
    system: str | None = None
    images: list[str] | None = None
    suffix: str | None = None
    raw: bool | None = None
    context: Any = None
    think: bool | str | None = None
    format: dict[str, Any] | str | None = None
    options: RunOptions | None = None
    keep_alive: Any = None
    stream: bool | None = None
