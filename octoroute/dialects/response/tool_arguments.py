"""The arguments of one tool call, as they stream: a JSON object comes out, or the call is reported as broken. Pure.

Fragments of a proper object are passed on as they come. Known defects of servers are mended: control characters inside strings, an
object that is sent twice, an empty object before the real one, text after the object, JSON inside a JSON string, and the words that
stand for no arguments. An object is never guessed from other text.
"""

from __future__ import annotations

import re
from enum import IntEnum

import msgspec

from octoroute.dialects.response.blocks import is_json_object

INVALID_JSON = "_invalid_json"
"""Key under which a history sends arguments that are not a JSON object, because providers accept only objects."""
BAD_ARGUMENTS = "the upstream sent a tool call whose arguments are not a JSON object"

_MARK = re.compile(r'["{}\[\]\\\x00-\x1f]')
_STRING_MARK = re.compile(r'["\\\x00-\x1f]')
_ESCAPES = frozenset('"\\/bfnrtu')
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b", "\f": "\\f"}
_NOTHING = frozenset({"", "null", "none", "{}", "[]", '""', "undefined"})
"""Texts, in lower case, with which servers say that a call has no arguments."""
_FENCE = re.compile(r"```(?:json)?\s*(\{.*\})\s*```", re.DOTALL)
_MAX_UNWRAPS = 3


class _State(IntEnum):
    BEFORE = 0
    """Only white space so far, or the brace of an object whose first member, or end, has not arrived."""
    OBJECT = 1
    """Inside the object; text is passed on."""
    AFTER = 2
    """The object is complete; what follows is held."""
    OTHER = 3
    """Something else than an object, held until the end."""


class ToolArguments:
    """One per call. `feed` and `finish` return the text to pass on; joined it is one JSON object, or "" for none."""

    __slots__ = ("_depth", "_escaped", "_held", "_in_string", "_parts", "_state")

    def __init__(self) -> None:
        self._state = _State.BEFORE
        self._depth = 0
        self._in_string = False
        self._escaped = False
        """The last character of the object so far is a backslash, which is held."""
        self._parts: list[str] = []
        """Of the object, as passed on."""
        self._held: list[str] = []
        """Text before, after, or instead of the object; a complete but empty object, too, for it may be a placeholder."""

    @property
    def begun(self) -> bool:
        return self._state is not _State.BEFORE or bool(self._held)

    @property
    def partial(self) -> bool:
        """More must follow: an object has begun and not ended, or other text has, whose end is not known."""
        return self._state in {_State.OBJECT, _State.OTHER} or (self._state is _State.BEFORE and bool(self._held))

    @property
    def complete(self) -> bool:
        """An object with members has ended. An empty one may still be followed by the real one."""
        return self._state is _State.AFTER and bool(self._parts)

    @property
    def text(self) -> str:
        """What has been passed on so far."""
        return "".join(self._parts)

    def feed(self, fragment: str) -> str:
        if not fragment:
            return ""
        if self._state is _State.OBJECT:
            # Fast path for nearly every fragment: nothing in it changes the depth, or needs an escape.
            if not self._escaped and (_STRING_MARK if self._in_string else _MARK).search(fragment) is None:
                self._parts.append(fragment)
                return fragment
            return self._scan(fragment)
        if self._state is _State.BEFORE:
            fragment = "".join(self._held) + fragment.lstrip()
            if not fragment or (fragment[0] == "{" and not fragment[1:].lstrip()):
                self._held = [fragment] if fragment else []
                return ""
            self._held.clear()
            self._state = _State.OBJECT if fragment[0] == "{" else _State.OTHER
            if self._state is _State.OBJECT:
                return self._scan(fragment)
        elif self._state is _State.AFTER and not self._parts:
            fragment = "".join((*self._held, fragment)).lstrip()
            self._held.clear()
            if fragment[:1] == "{":  # the empty object was a placeholder
                self._state = _State.BEFORE
                return self.feed(fragment)
        self._held.append(fragment)
        return ""

    def finish(self, *, cut: bool = False) -> str | None:
        """The text still to be passed on, at the end of the call; None: the arguments are no JSON object and cannot be mended.

        `cut`: the response was cut short, so that the object may be incomplete.
        """
        if self._state is _State.OBJECT:
            return "" if cut else None
        if self._state is _State.OTHER:
            mended = _mend("".join(self._held).strip(), _MAX_UNWRAPS)
            return "" if mended is None and cut else mended
        if self._state is _State.BEFORE:
            return "".join(self._held) if cut or not self._held else None
        text = "".join(self._parts)
        if text and not is_json_object(text):
            return None
        rest = "".join(self._held).strip()
        return "" if not rest or _is_harmless(rest, text) else None

    def _scan(self, fragment: str) -> str:
        """Pass on the object's part of `fragment`, and hold what follows the object."""
        out: list[str] = []
        at = start = 0
        if self._escaped:
            self._escaped = False
            out.append("\\" if fragment[0] in _ESCAPES else "\\\\")
            at = 1 if fragment[0] in _ESCAPES else 0
        while (found := (_STRING_MARK if self._in_string else _MARK).search(fragment, at)) is not None:
            mark, at = found[0], found.end()
            if mark == '"':
                self._in_string = not self._in_string
            elif mark == "\\":
                if not self._in_string:
                    continue
                if at == len(fragment):
                    self._escaped = True
                    out.append(fragment[start : at - 1])
                    start = at
                elif fragment[at] in _ESCAPES:
                    at += 1
                else:
                    out += (fragment[start:at], "\\")
                    start = at
            elif mark < " ":
                if self._in_string:
                    out += (fragment[start : at - 1], _SHORT.get(mark) or f"\\u{ord(mark):04x}")
                    start = at
            else:
                self._depth += 1 if mark in "{[" else -1
                if not self._depth:
                    out.append(fragment[start:at])
                    return self._close("".join(out), fragment[at:])
        out.append(fragment[start:])
        text = "".join(out)
        self._parts.append(text)
        return text

    def _close(self, last: str, rest: str) -> str:
        self._state = _State.AFTER
        self._parts.append(last)
        if self.text.translate(_BLANKS) == "{}":
            self._parts.clear()
            if rest.strip():
                return self.feed(rest)
            return ""
        if rest.strip():
            self._held.append(rest)
        return last


_BLANKS = {ord(blank): None for blank in " \t\r\n"}


def mend_arguments(text: str) -> str | None:
    """Whole arguments as the text of a JSON object, "" for none; None: they are none and cannot be mended."""
    arguments = ToolArguments()
    passed = arguments.feed(text)
    rest = arguments.finish()
    return None if rest is None else passed + rest


def normalize_arguments(text: str) -> str:
    """Return a call's arguments in a history as the text of a JSON object, even if the model wrote something else."""
    if is_json_object(text):
        return text.strip()
    mended = mend_arguments(text)
    return msgspec.json.encode({INVALID_JSON: text.strip()}).decode() if mended is None else mended or "{}"


def _mend(text: str, depth: int) -> str | None:
    """Text that does not begin with `{`."""
    if text.lower() in _NOTHING:
        return ""
    if depth and text[:1] == '"':
        try:
            inner = msgspec.json.decode(text, type=str)
        except (ValueError, RecursionError):
            return None
        if inner.lstrip()[:1] == "{":
            return mend_arguments(inner)
        return _mend(inner.strip(), depth - 1)
    fenced = _FENCE.fullmatch(text)
    return mend_arguments(fenced[1]) if fenced is not None else None


def _is_harmless(rest: str, text: str) -> bool:
    """Whether text after a complete object may be dropped: the object again, or no further object."""
    if "{" not in rest:
        return True
    again = mend_arguments(rest)
    if not text or again is None or again == text:
        return again == text
    try:
        return msgspec.json.decode(again) == msgspec.json.decode(text)
    except (ValueError, RecursionError):
        return False
