"""Tools that ran at Anthropic's servers, in a history: their calls and results as text for models that do not have them. Pure.

Source: Anthropic, "Server tools". Each tool has result blocks of its own, and new ones appear. So all strings of a result become
text, in their order, except what only Anthropic can read.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

_UNREADABLE = frozenset({"type", "id", "tool_use_id", "encrypted_content", "encrypted_index", "encrypted_stdout", "cache_control"})
"""Keys whose strings say nothing to another model."""
_PLAIN = frozenset({"text", "content", "stdout", "title", "url", "lines", "data", "citations", "source", "output"})
"""Keys whose strings are written without the key."""
_OMITTED = frozenset({"media_type", "file_type", "retrieved_at", "page_age"})
"""Keys whose strings do not help the model."""
MAX_DEPTH = 40


def describe_result(result: object) -> str:
    """The readable text of a result's `content`; "" if it holds none."""
    return "\n".join(_strings(result, "", 0))


def _strings(value: object, key: str, depth: int) -> Iterator[str]:
    if depth > MAX_DEPTH or key in _UNREADABLE or key in _OMITTED:
        return
    if isinstance(value, dict):
        fields = cast("dict[str, object]", value)
        if fields.get("type") == "base64":  # a file: its bytes are no text
            yield f"({fields.get('media_type') or 'a file'} is not shown)"
            return
        for name, inner in fields.items():
            yield from _strings(inner, name, depth + 1)
    elif isinstance(value, list):
        for inner in cast("list[object]", value):
            yield from _strings(inner, key, depth + 1)
    elif isinstance(value, str):
        if value.strip():
            yield value if not key or key in _PLAIN else f"{key}: {value}"
    elif isinstance(value, int | float) and value and not isinstance(value, bool):
        yield f"{key}: {value}"
