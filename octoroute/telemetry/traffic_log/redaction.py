"""Masks secrets in what is logged: known keys, values with a secret's name or shape, and the operator's patterns. Pure.

A secret that a stream splits between two events is not found.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

import msgspec

MASK = "***"
SHORTEST_SECRET = 8
"""Shorter known secrets are not masked: they are words (`ollama`, `none`) that occur in prompts."""
LONGEST_SECRET = 512
"""Bytes beyond a body's limit that are examined, so that a secret is recognised although the limit cuts through it."""

SECRET_NAMES = re.compile(
    r"authorization|cookie|(^|[-_])(api[-_]?key|secret|password|passwd|credentials?|access[-_]?token|refresh[-_]?token|token)$",
    re.IGNORECASE,
)
_SHAPES = (
    r"\b[Bb]earer\s+[A-Za-z0-9._~+/=-]{8,}",
    r"\bsk-[A-Za-z0-9_-]{8,}",
    r"\b(?:gsk|xai|hf|ghp|glpat)[-_][A-Za-z0-9_-]{16,}",
    r"\bAIza[A-Za-z0-9_-]{30,}",
    r"\bAKIA[A-Z0-9]{16}\b",
)
_NAMED = r'(?<=")(?P<name>authorization|api[-_]?key|x-api-key|secret|password|access[-_]?token)(?P<gap>"\s*:\s*")(?:[^"\\]|\\.)*'


class Redaction:
    def __init__(self, secrets: Iterable[str] = (), patterns: Sequence[str] = ()) -> None:
        """`secrets`: known texts to mask. `patterns`: regular expressions of the operator."""
        known = sorted({re.escape(secret) for secret in secrets if len(secret) >= SHORTEST_SECRET}, key=len, reverse=True)
        self._shapes = re.compile("|".join([*known, *_SHAPES]))
        self._patterns = [re.compile(pattern) for pattern in patterns]
        self._named = re.compile(_NAMED, re.IGNORECASE)

    def text(self, text: str) -> str:
        """For text that may hold JSON, or parts of it."""
        text = self._named.sub(lambda match: f"{match['name']}{match['gap']}{MASK}", text)
        return self._plain(text)

    def _plain(self, text: str) -> str:
        text = self._shapes.sub(MASK, text)
        for pattern in self._patterns:
            text = pattern.sub(MASK, text)
        return text

    def headers(self, headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
        fields: dict[str, str] = {}
        for name, value in headers:
            key = name.decode("latin-1").lower()
            fields[key] = MASK if SECRET_NAMES.search(key) else self._plain(value.decode("latin-1"))
        return fields

    def body(self, data: bytes, limit: int) -> object:
        """JSON as JSON; anything else, and JSON that is longer than `limit` bytes, as text of at most `limit` characters."""
        if len(data) <= limit:
            try:
                return self.value(msgspec.json.decode(data))
            except (ValueError, RecursionError):
                pass
        return self.text(data.decode("utf-8", "replace"))[:limit]

    def value(self, value: Any) -> Any:
        """For decoded JSON."""
        if isinstance(value, str):
            return self._plain(value)
        if isinstance(value, Mapping):
            table = cast("Mapping[str, Any]", value)
            return {
                self._plain(name): MASK if isinstance(item, str) and SECRET_NAMES.search(name) else self.value(item)
                for name, item in table.items()
            }
        if isinstance(value, list):
            return [self.value(item) for item in cast("list[Any]", value)]
        return value
