"""Identity of a request: its user, a digest of its conversation's opening, and what it asks of the model. Pure.

The values are read lazily, because only some configurations use them. They come from the client's own fields, which have the same
meaning in every dialect. Nothing here raises: a field of an unexpected shape counts as absent.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import TypeVar

import msgspec

from octoroute.dialects.request.body import RequestBody
from octoroute.dialects.request.harness import user_words
from octoroute.domain.request import Request

T = TypeVar("T")


class _Metadata(msgspec.Struct):
    user_id: str | None = None


class _Reasoning(msgspec.Struct):
    effort: str | None = None


class _Thinking(msgspec.Struct):
    type: str | None = None


class _InputItem(msgspec.Struct):
    """A message, an item of Responses, or a content of Gemini."""

    role: str = ""
    content: msgspec.Raw = msgspec.Raw(b"null")
    parts: msgspec.Raw = msgspec.Raw(b"null")


class _Part(msgspec.Struct):
    text: str | None = None


class _ThinkingBudget(msgspec.Struct):
    budget: int | None = msgspec.field(name="thinkingBudget", default=None)
    budget_snake: int | None = msgspec.field(name="thinking_budget", default=None)
    level: str | None = msgspec.field(name="thinkingLevel", default=None)
    level_snake: str | None = msgspec.field(name="thinking_level", default=None)

    @property
    def asks(self) -> bool:
        budget = self.budget_snake if self.budget is None else self.budget
        return bool(self.level or self.level_snake) if budget is None else budget != 0


class _Generation(msgspec.Struct):
    """Gemini's `generationConfig`, or Ollama's `options`."""

    temperature: float | None = None
    thinking_config: _ThinkingBudget | None = msgspec.field(name="thinkingConfig", default=None)
    thinking_config_snake: _ThinkingBudget | None = msgspec.field(name="thinking_config", default=None)


_GENERATION = msgspec.json.Decoder(_Generation)
_NUMBER = msgspec.json.Decoder(float | None)
_TEXT = msgspec.json.Decoder(str | None)
_METADATA = msgspec.json.Decoder(_Metadata)
_REASONING = msgspec.json.Decoder(_Reasoning)
_THINKING = msgspec.json.Decoder(_Thinking)
_ITEMS = msgspec.json.Decoder(list[msgspec.Raw])
_ITEM = msgspec.json.Decoder(_InputItem)
_CONTENT = msgspec.json.Decoder(str | list[_Part])
_SESSION_HEADER = "x-claude-code-session-id"
_INSTRUCTIONS = frozenset({"system", "developer"})


def user_of(request: Request) -> str | None:
    """The user the client names: OpenAI's `user` or `safety_identifier`, Anthropic's `metadata.user_id`. None if there is none."""
    body = request.body
    if not isinstance(body, RequestBody):
        return None
    metadata = _read(body, "metadata", _METADATA)
    return _read(body, "user", _TEXT) or _read(body, "safety_identifier", _TEXT) or (metadata.user_id if metadata else None) or None


def requests_thinking(request: Request) -> bool:
    """True if the client asks for thinking by a field of its format."""
    body = request.body
    if not isinstance(body, RequestBody):
        return False
    reasoning = _read(body, "reasoning", _REASONING)
    effort = _read(body, "reasoning_effort", _TEXT) or (reasoning.effort if reasoning else None)
    if effort is not None:
        return effort != "none"
    thinking = _read(body, "thinking", _THINKING)
    if thinking is not None:
        return thinking.type not in {None, "disabled"}
    if "think" in body.values:
        return bytes(body.values["think"]) not in {b"false", b"null", b'""'}
    config = _read(body, "generationConfig", _GENERATION) or _read(body, "generation_config", _GENERATION)
    settings = config.thinking_config or config.thinking_config_snake if config is not None else None
    return settings is not None and settings.asks


def temperature_of(request: Request) -> float | None:
    """The sampling temperature that the client sets, in the field of its format."""
    body = request.body
    if not isinstance(body, RequestBody):
        return None
    if "temperature" in body.values:
        return _read(body, "temperature", _NUMBER)
    nested = (_read(body, name, _GENERATION) for name in ("generationConfig", "generation_config", "options"))
    return next((config.temperature for config in nested if config is not None), None)


def session_of(request: Request) -> str | None:
    """The client's own name for its session: Claude Code's header or user id, or OpenAI's `prompt_cache_key`; None: it has none.

    A session may hold several conversations: those of Claude Code's subagents share its id.
    """
    session = request.headers.get(_SESSION_HEADER)
    if session or not isinstance(request.body, RequestBody):
        return session
    user = user_of(request)
    return user if user is not None and "session" in user else _read(request.body, "prompt_cache_key", _TEXT)


def conversation_of(request: Request) -> bytes:
    """Digest what stays the same throughout a conversation: its session, else its instructions, and its first user messages.

    Instructions are left out where the session is known: Claude Code writes a checksum of each request into them.
    """
    session = session_of(request)
    if not session:
        return opening_of(request)
    digest = hashlib.blake2b(session.encode("utf-8", "surrogatepass"), digest_size=16)
    assert isinstance(request.body, RequestBody)
    _digest_messages(request.body, digest.update, frozenset({"user"}))
    return digest.digest()


def opening_of(request: Request) -> bytes:
    """Digest the instructions and the first user messages, which stay the same throughout a conversation."""
    digest = hashlib.blake2b(digest_size=16)
    body = request.body
    if isinstance(body, RequestBody):
        for name in ("system", "instructions", "systemInstruction", "system_instruction"):
            if name in body.values:
                digest.update(_text_of(bytes(body.values[name])))
        _digest_messages(body, digest.update, _INSTRUCTIONS | {"user"})
    else:
        digest.update(request.facts.text.encode("utf-8", "surrogatepass"))
    return digest.digest()


def _digest_messages(body: RequestBody, update: Callable[[bytes], object], roles: frozenset[str]) -> None:
    for name in ("messages", "input", "contents", "prompt"):
        if name in body.values:
            _digest_opening(bytes(body.values[name]), update, roles)


def _digest_opening(raw: bytes, update: Callable[[bytes], object], roles: frozenset[str]) -> None:
    """Digest the messages of `roles` up to the first one with words of the user; an input of plain text is the user's.

    Codex sends its environment as a user message of its own before the user's, and it is the same in every conversation.
    """
    items = _decode(raw, _ITEMS)
    if items is None:
        update(_text_of(raw))
        return
    for raw_item in items:
        item = _decode(raw_item, _ITEM)
        if item is not None and item.role in roles:
            text = _text_of(bytes(item.parts if bytes(item.content) == b"null" else item.content))
            update(b"\x00" + item.role.encode() + b"\x00" + text)
            if item.role == "user" and (b"<" not in text or user_words(text.decode("utf-8", "surrogatepass"))):
                return


def _text_of(raw: bytes) -> bytes:
    """The text of a message, joined over its parts. Cache marks are skipped: they move from turn to turn, the text does not."""
    content = _decode(raw, _CONTENT)
    if content is None:
        return raw
    text = content if isinstance(content, str) else "\n".join(part.text for part in content if part.text is not None)
    return text.encode("utf-8", "surrogatepass") or raw


def _read(body: RequestBody, name: str, decoder: msgspec.json.Decoder[T]) -> T | None:
    raw = body.values.get(name)
    return None if raw is None else _decode(raw, decoder)


def _decode(raw: bytes | msgspec.Raw, decoder: msgspec.json.Decoder[T]) -> T | None:
    try:
        return decoder.decode(raw)
    except (msgspec.MsgspecError, RecursionError):
        return None
