"""What must not stand in a log: keys in headers, keys in bodies, and whatever the operator names. Pure.

Known secrets are found by their text, others by their names and shapes. A secret that a stream cuts in two is not found.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

import msgspec

MASK = "***"
SHORTEST_SECRET = 8
"""A shorter one is a word (`ollama`, `none`), and would take that word out of every prompt."""
LONGEST_SECRET = 512
"""So much more than what is kept is looked at, so that a cut through a secret does not hide it."""

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
        """`patterns` are regular expressions of the operator's."""
        known = sorted({re.escape(secret) for secret in secrets if len(secret) >= SHORTEST_SECRET}, key=len, reverse=True)
        self._shapes = re.compile("|".join([*known, *_SHAPES]))
        self._patterns = [re.compile(pattern) for pattern in patterns]
        self._named = re.compile(_NAMED, re.IGNORECASE)

    def text(self, text: str) -> str:
        text = self._named.sub(lambda found: f"{found['name']}{found['gap']}{MASK}", text)
        return self._plain(text)

    def _plain(self, text: str) -> str:
        text = self._shapes.sub(MASK, text)
        for pattern in self._patterns:
            text = pattern.sub(MASK, text)
        return text

    def headers(self, headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
        told: dict[str, str] = {}
        for name, value in headers:
            key = name.decode("latin-1").lower()
            told[key] = MASK if SECRET_NAMES.search(key) else self._plain(value.decode("latin-1"))
        return told

    def body(self, data: bytes, limit: int) -> object:
        """JSON as JSON, everything else, also JSON that was cut, as text."""
        if len(data) <= limit:
            try:
                return self.value(msgspec.json.decode(data))
            except (ValueError, RecursionError):
                pass
        return self.text(data.decode("utf-8", "replace"))[:limit]

    def value(self, value: Any) -> Any:
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
