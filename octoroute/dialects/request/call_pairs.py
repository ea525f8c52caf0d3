"""Pairs tool results with tool calls in formats whose calls need no ids. Pure; one object per request.

A result without an id belongs to the first call of its name that has no result yet, or else to the first call without one.
"""

from __future__ import annotations


class CallPairs:
    __slots__ = ("_count", "_open")

    def __init__(self) -> None:
        self._count = 0
        """Calls so far; a call without an id gets one made of its number."""
        self._open: list[tuple[str, str]] = []
        """(id, name) of the calls without a result."""

    def call_id(self, id: str | None, name: str) -> str:
        """The id of the next call in the history."""
        self._count += 1
        made = id or f"call_{self._count}"
        self._open.append((made, name))
        return made

    def result_id(self, id: str | None, name: str) -> str:
        """The id of the call that the next result belongs to."""
        found = id or next((other for other, called in self._open if called == name), None)
        found = found or (self._open[0][0] if self._open else f"call_{name or 'unknown'}")
        self._open = [(other, called) for other, called in self._open if other != found]
        return found
