"""The text for a custom tool, out of the JSON arguments of a function call, while they stream. Pure; one reader per call.

The arguments are `{"input": "…"}`. Text is returned as soon as its escapes are complete. Arguments of another shape, which models
write now and then, are read as a whole at the end.
"""

from __future__ import annotations

import re
from typing import Any, cast

import msgspec

from octoroute.dialects.request.json_input import json_text
from octoroute.dialects.responses.tools import INPUT

_HEAD = re.compile(r'\s*\{\s*"input"\s*:\s*"')
_MAX_HEAD = 64
"""Characters in which the head must be complete; longer arguments are read at the end."""
_MARK = re.compile(r'["\\]')
_PLAIN = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_UNICODE = re.compile(r"u([0-9a-fA-F]{4})")
_ESCAPE_CHARS = 6
_BEFORE, _WITHIN, _AFTER, _WHOLE = range(4)
_ANYTHING = msgspec.json.Decoder()


class CustomInput:
    __slots__ = ("_held", "_parts", "_state")

    def __init__(self) -> None:
        self._state = _BEFORE
        self._held = ""
        """What is not decoded yet: the head, or an unfinished escape."""
        self._parts: list[str] = []
        """All of the arguments, if they are read at the end."""

    def feed(self, fragment: str) -> str:
        """Take a fragment of the arguments. Returns the text that it completes."""
        if self._state == _AFTER:
            return ""
        if self._state == _WHOLE:
            self._parts.append(fragment)
            return ""
        text, self._held = self._held + fragment, ""
        if self._state == _WITHIN:
            return self._read(text, 0)
        head = _HEAD.match(text)
        if head is not None:
            self._state = _WITHIN
            return self._read(text, head.end())
        self._held = text
        if len(text) > _MAX_HEAD:
            self._state = _WHOLE
            self._parts.append(text)
        return ""

    def end(self) -> str:
        """The arguments are complete: the text held back."""
        held, self._held = self._held, ""
        if self._state == _WHOLE:
            return _whole_text("".join(self._parts))
        return _whole_text(held) if self._state == _BEFORE else held

    def _read(self, text: str, at: int) -> str:
        """Decode the string from `at` on, up to its closing quote or an escape that is not complete."""
        parts: list[str] = []
        while True:
            mark = _MARK.search(text, at)
            if mark is None:
                parts.append(text[at:])
                break
            parts.append(text[at : mark.start()])
            if mark[0] == '"':
                self._state = _AFTER
                break
            escape = _decode_escape(text, mark.start())
            if escape is None:
                self._held = text[mark.start() :]
                break
            character, at = escape
            parts.append(character)
        return "".join(parts)


def _decode_escape(text: str, at: int) -> tuple[str, int] | None:
    """The character of the escape at `at`, and where it ends; None if more text is needed. An invalid escape stands for itself."""
    code = text[at + 1 : at + 2]
    if code in _PLAIN:
        return _PLAIN[code], at + 2
    if code != "u":
        return (text[at : at + 2], at + 2) if code else None
    unit = _UNICODE.fullmatch(text, at + 1, at + _ESCAPE_CHARS)
    if unit is None:
        return None if len(text) < at + _ESCAPE_CHARS else (text[at : at + 2], at + 2)
    value, end = int(unit[1], 16), at + _ESCAPE_CHARS
    if not 0xD800 <= value < 0xE000:
        return chr(value), end
    if value < 0xDC00:  # the first half of a pair: the second must follow at once
        second = _UNICODE.fullmatch(text, end + 1, end + _ESCAPE_CHARS) if text.startswith("\\", end) else None
        if second is not None and 0xDC00 <= (low := int(second[1], 16)) < 0xE000:
            return chr(0x10000 + ((value - 0xD800) << 10) + low - 0xDC00), end + _ESCAPE_CHARS
        if second is None and len(text) < end + _ESCAPE_CHARS and _may_be_escape(text[end:]):
            return None
    return "\ufffd", end


def _may_be_escape(text: str) -> bool:
    return all(char in allowed for char, allowed in zip(text, ("\\", "u", *["0123456789abcdefABCDEF"] * 4), strict=False))


def _whole_text(arguments: str) -> str:
    """The text in arguments of another shape: `input` after other members, the only text, a bare string, or the arguments."""
    try:
        value: Any = _ANYTHING.decode(arguments or "{}")
    except (ValueError, RecursionError):
        return arguments
    if isinstance(value, dict):
        members = cast("dict[str, Any]", value)
        if INPUT in members:
            return json_text(members[INPUT])
        value = next(iter(members.values())) if len(members) == 1 else arguments if members else ""
    return value if isinstance(value, str) else arguments
