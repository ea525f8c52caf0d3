"""What of a client's request did not arrive upstream, counted in words: whatever the dialects, a word that was sent must be received."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

_WORD = re.compile(r"\w{2,}")
_TEXTS = {
    "text",
    "content",
    "output",
    "input",
    "instructions",
    "system",
    "systemInstruction",
    "description",
    "thought",
    "args",
    "response",
}
"""Fields whose strings are read by a model."""
_OURS = re.compile(r"x-anthropic-billing-header:[^\n]*")
"""Claude Code's accounting, which is for Anthropic only and removed for others; docs/clients.md says so."""


def lost(sent: Any, arrived: Any) -> list[str]:
    """The words of the request `sent` that are missing in `arrived`, each as often as it is missing."""
    missing = Counter(_words(_texts(sent))) - Counter(_words(_strings(arrived)))
    return sorted(missing.elements())


def _words(texts: Iterator[str]) -> Iterator[str]:
    for text in texts:
        yield from _WORD.findall(_OURS.sub("", text))


def _texts(value: Any, *, read: bool = False) -> Iterator[str]:
    if isinstance(value, str):
        if read:
            yield value
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item, read=read)
    elif isinstance(value, dict):
        for name, item in value.items():
            if name == "arguments" and isinstance(item, str):
                yield from _strings(_parsed(item))
            else:
                yield from _texts(
                    item, read=(read and not isinstance(item, str)) or name in _TEXTS or name in {"messages", "contents"}
                )


def _strings(value: Any) -> Iterator[str]:
    """All strings, those inside of JSON that is a string included."""
    if isinstance(value, str):
        yield value
        if value[:1] in {"{", "["}:
            parsed = _parsed(value)
            if not isinstance(parsed, str):
                yield from _strings(parsed)
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)
    elif isinstance(value, dict):
        for name, item in value.items():
            yield name
            yield from _strings(item)


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
