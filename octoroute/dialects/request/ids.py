"""Tool-call ids and tool names that every provider accepts. Pure and deterministic, so a call and its result get the same id.

All targets share one rule, so a name can be mapped back whichever endpoint answered. Limits: tool ids `^[a-zA-Z0-9_-]{1,64}$`
(Anthropic), tool names `^[a-zA-Z0-9_-]{1,64}$` (OpenAI) that do not start with a digit or dash (Gemini).
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
"""Returns a new id that starts with the given prefix."""


def random_id(prefix: str) -> str:
    return prefix + secrets.token_hex(12)


def safe_id(text: str, limit: int = MAX_LENGTH) -> str:
    """Return `text` if it is a valid id; otherwise a readable replacement that ends in a hash of the original.

    A `limit` too short for a hash means exactly that many letters and digits (Mistral: nine).
    """
    if limit <= _HASH_LENGTH:
        return text if len(text) == limit and text.isascii() and text.isalnum() else _digest(text)[:limit]
    if len(text) <= limit and _SAFE_ID.fullmatch(text):
        return text
    return _readable_hash(text, limit, text)


def call_id(id: str, new_id: NewId) -> str:
    """The id of a call for a client: the upstream's if it is not longer than every format takes, a new one for ""."""
    if not id:
        return new_id("call_")
    return id if len(id) <= MAX_LENGTH else safe_id(id)


class UniqueIds:
    """Makes the ids of one conversation unique: servers may number calls from 0 in every response; Anthropic rejects repeats."""

    def __init__(self, limit: int = MAX_LENGTH) -> None:
        self._limit = limit
        self._seen: dict[str, int] = {}

    def make_unique(self, id: str) -> str:
        name = safe_id(id, self._limit)
        times = self._seen.get(name, 0)
        self._seen[name] = times + 1
        return name if not times else self.make_unique(safe_id(f"{name}.{times + 1}", self._limit))


class UsedIds:
    """The ids that an upstream has given to the calls of one response: some servers repeat them."""

    __slots__ = ("_used",)

    def __init__(self) -> None:
        self._used: set[str] = set()

    def first_use(self, id: str | None) -> str:
        """`id` at its first use; otherwise "", for which encoders make a new id."""
        if not id or id in self._used:
            return ""
        self._used.add(id)
        return id


def safe_name(text: str) -> str:
    """Return `text` if it is a valid tool name; otherwise a readable replacement that ends in a hash of the original."""
    if _SAFE_NAME.fullmatch(text):
        return text
    return hashed_name(text, text)


def hashed_name(text: str, key: str) -> str:
    """A valid tool name that begins like `text` and ends in a hash of `key`."""
    name = _readable_hash(text, MAX_LENGTH, key)
    return name if _SAFE_NAME.fullmatch(name) else "_" + name[1:]


def client_names(conversation: Conversation | None) -> Mapping[str, str]:
    """Map the upstream's tool names to the client's, for the names that `safe_name` changed."""
    tools = conversation.tools if conversation is not None else ()
    return {safe: tool.name for tool in tools if (safe := safe_name(tool.name)) != tool.name}


def _readable_hash(text: str, limit: int, key: str) -> str:
    readable = _UNSAFE_CHARACTER.sub("_", text)[: limit - _HASH_LENGTH - 1]
    return f"{readable}_{_digest(key)[:_HASH_LENGTH]}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
