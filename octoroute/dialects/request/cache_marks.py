"""Prompt-cache breakpoints (Anthropic's `cache_control`): read from requests, written, and kept within Anthropic's rules. Pure.

Source: Anthropic, "Prompt caching". OpenRouter and other aggregators take the same marks on the parts of Chat Completions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

MAX_CACHE_MARKS = 4
SHORT, LONG = "5m", "1h"
"""The lifetimes; the short one is the default."""
_MARKS = {SHORT: {"type": "ephemeral"}, LONG: {"type": "ephemeral", "ttl": LONG}}

Fields = dict[str, Any]


def read_mark(mark: object) -> str:
    """The lifetime of a `cache_control` value; "" for none."""
    if not isinstance(mark, dict):
        return ""
    return LONG if cast("dict[str, object]", mark).get("ttl") == LONG else SHORT


def with_mark(block: Fields, lifetime: str) -> Fields:
    """Add the mark of `lifetime` to an encoded block; "" adds none. Returns `block`."""
    if lifetime:
        block["cache_control"] = _MARKS[lifetime]
    return block


def tidy_marks(blocks: Sequence[Fields], notes: list[str], *, limit: int = MAX_CACHE_MARKS) -> None:
    """Change the marks of `blocks`, in the order of the prompt, until Anthropic accepts them; each change is noted.

    Only the last `limit` marks stay: they cover the longest prefixes. A short mark before a long one becomes long. The prefix up to
    the long mark is written at the price of the long lifetime anyway.
    """
    marked = [block for block in blocks if "cache_control" in block]
    if len(marked) > limit:
        notes.append(f"cache_control: only the last {limit} marks are passed on, more are not accepted")
        for block in marked[: len(marked) - limit]:
            del block["cache_control"]
        marked = marked[len(marked) - limit :]
    lifetimes = [read_mark(block["cache_control"]) for block in marked]
    if LONG not in lifetimes:
        return
    last_long = len(lifetimes) - 1 - lifetimes[::-1].index(LONG)
    if SHORT in lifetimes[:last_long]:
        notes.append("cache_control: marks before one of 1h live for 1h as well, a shorter one is not accepted there")
        for block in marked[:last_long]:
            block["cache_control"] = _MARKS[LONG]
