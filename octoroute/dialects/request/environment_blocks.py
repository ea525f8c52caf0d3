"""Removes the environment blocks that an agent repeats in each of its messages: of each kind only the latest stays. Pure.

Works on the bytes of JSON strings, so that the text around a block is not encoded anew. Linear in the length.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from octoroute.dialects.request.harness import ENVIRONMENT_TAGS
from octoroute.dialects.request.message_parts import edit_texts
from octoroute.dialects.request.truncation import History

REMOVED = b'"[environment left out: a later message has it]"'
"""The JSON string that replaces a text of which nothing else is left: providers reject empty texts."""

_LT, _GT = rb"(?:<|\\u003[cC])", rb"(?:>|\\u003[eE])"  # some JSON encoders escape the angle brackets
_NAMES = "|".join(ENVIRONMENT_TAGS).encode()
_OPENING = re.compile(_LT + rb"(" + _NAMES + rb")" + _GT)
_CLOSINGS = {tag.encode(): re.compile(_LT + rb"/" + tag.encode() + _GT) for tag in ENVIRONMENT_TAGS}
_ELEMENT = re.compile(_LT + rb"(\w{1,64})" + _GT)
_BLANK = re.compile(rb'"(?:[ \t]|\\[nrt])*"')
_ANY = re.compile(_NAMES)


class _EnvironmentBlock(NamedTuple):
    start: int
    end: int
    tag: bytes
    elements: frozenset[bytes]
    """Names of the elements inside: Codex sends only those that have changed."""


def keep_latest(history: History) -> tuple[list[bytes], int]:
    """The messages without the environment blocks that a later block replaces, and how many blocks were removed.

    A block stays if it has an element that the latest of its kind has not. Only texts of the user are looked at.
    """
    raws = [bytes(raw) for raw in history.raw_messages]
    places = [
        at
        for at, message in enumerate(history.messages)
        if (message.kind == "user" or message.has_user_text) and _ANY.search(raws[at])
    ]
    found: list[_EnvironmentBlock] = []

    def collect(text: bytes) -> bytes:
        found.extend(_blocks(text))
        return text

    for at in places:
        edit_texts(raws[at], collect)
    stale = _replaced(found)
    if not stale:
        return raws, 0
    number = 0

    def remove(text: bytes) -> bytes:
        nonlocal number
        pieces: list[bytes] = []
        at = 0
        for block in _blocks(text):
            if number in stale:
                pieces.append(text[at : block.start])
                at = block.end
            number += 1
        if not pieces:
            return text
        rest = b"".join((*pieces, text[at:]))
        return REMOVED if _BLANK.fullmatch(rest) else rest

    for at in places:
        raws[at] = edit_texts(raws[at], remove)
    return raws, len(stale)


def _replaced(blocks: Sequence[_EnvironmentBlock]) -> frozenset[int]:
    latest: dict[bytes, frozenset[bytes]] = {}
    stale: set[int] = set()
    for at in range(len(blocks) - 1, -1, -1):
        block = blocks[at]
        if block.tag not in latest:
            latest[block.tag] = block.elements
        elif block.elements <= latest[block.tag]:
            stale.add(at)
    return frozenset(stale)


def _blocks(text: bytes) -> Iterator[_EnvironmentBlock]:
    """The complete blocks of a JSON string, in order; none inside another."""
    at = 0
    unclosed: set[bytes] = set()
    while (opening := _OPENING.search(text, at)) is not None:
        at, tag = opening.end(), opening[1]
        if tag in unclosed or _is_escaped(text, opening.start()):
            continue
        closing = _CLOSINGS[tag].search(text, at)
        while closing is not None and _is_escaped(text, closing.start()):
            closing = _CLOSINGS[tag].search(text, closing.end())
        if closing is None:
            unclosed.add(tag)
            continue
        yield _EnvironmentBlock(
            opening.start(), closing.end(), tag, frozenset(_ELEMENT.findall(text, opening.end(), closing.start()))
        )
        at = closing.end()


def _is_escaped(text: bytes, at: int) -> bool:
    r"""Whether the backslash at `at` is itself escaped: `\\u003c` is a backslash and `u003c`."""
    if text[at : at + 1] != b"\\":
        return False
    before = at
    while text[before - 1 : before] == b"\\":
        before -= 1
    return (at - before) % 2 == 1
