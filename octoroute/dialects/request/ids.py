"""Identifiers that every provider accepts: tool-call ids and tool names. Pure and deterministic: a call and its result agree.

One rule for all targets, so that a name can be mapped back without knowing who answered. Limits: tool ids
`^[a-zA-Z0-9_-]{1,64}$` (Anthropic), tool names `^[a-zA-Z0-9_-]{1,64}$` (OpenAI) that do not start with a digit or dash (Gemini).
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Callable, Mapping

from octoroute.domain.conversation import Conversation

MAX_LENGTH = 64
_HASH_LENGTH = 10
_SAFE_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_SAFE_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_-]{0,63}")
_UNSAFE_CHARACTER = re.compile(r"[^a-zA-Z0-9_-]")

NewId = Callable[[str], str]
"""A prefix → a fresh id that starts with it."""


def random_id(prefix: str) -> str:
    return prefix + secrets.token_hex(12)


def safe_id(text: str, limit: int = MAX_LENGTH) -> str:
    """`text` itself where it is acceptable, otherwise a readable stand-in with a hash of the original.

    A limit too short for both asks for exactly so many letters and digits (Mistral: nine).
    """
    if limit <= _HASH_LENGTH:
        return text if len(text) == limit and text.isascii() and text.isalnum() else _digest(text)[:limit]
    if len(text) <= limit and _SAFE_ID.fullmatch(text):
        return text
    return _readable_hash(text, limit)


class UniqueIds:
    """Servers that number calls from 0 in every answer repeat their ids; Anthropic refuses a conversation that does."""

    def __init__(self, limit: int = MAX_LENGTH) -> None:
        self._limit = limit
        self._seen: dict[str, int] = {}

    def make_unique(self, id: str) -> str:
        name = safe_id(id, self._limit)
        times = self._seen.get(name, 0)
        self._seen[name] = times + 1
        return name if not times else self.make_unique(safe_id(f"{name}.{times + 1}", self._limit))


def safe_name(text: str) -> str:
    if _SAFE_NAME.fullmatch(text):
        return text
    name = _readable_hash(text, MAX_LENGTH)
    return name if _SAFE_NAME.fullmatch(name) else "_" + name[1:]


def client_names(conversation: Conversation | None) -> Mapping[str, str]:
    """What the upstream calls a tool → what the client calls it; only for those that `safe_name` changed."""
    tools = conversation.tools if conversation is not None else ()
    return {safe: tool.name for tool in tools if (safe := safe_name(tool.name)) != tool.name}


def _readable_hash(text: str, limit: int) -> str:
    readable = _UNSAFE_CHARACTER.sub("_", text)[: limit - _HASH_LENGTH - 1]
    return f"{readable}_{_digest(text)[:_HASH_LENGTH]}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
