"""Pairs tool results with tool calls in formats whose calls need no ids. Pure; one object per request.

A result without an id belongs to the first call of its name that has no result yet, or else to the first call without one.
"""

from __future__ import annotations

from collections import OrderedDict, deque


class CallPairs:
    """Every call and result takes the same time, however many calls are open."""

    __slots__ = ("_by_name", "_count", "_open")

    def __init__(self) -> None:
        self._count = 0
        """Calls so far; a call without an id gets one made of its number."""
        self._open: OrderedDict[str, None] = OrderedDict()
        """The ids of the calls without a result, in the order of the calls."""
        self._by_name: dict[str, deque[str]] = {}
        """The same by name; an id may stay here after its result."""

    def call_id(self, id: str | None, name: str) -> str:
        """The id of the next call in the history."""
        self._count += 1
        made = id or f"call_{self._count}"
        self._open[made] = None
        self._by_name.setdefault(name, deque()).append(made)
        return made

    def result_id(self, id: str | None, name: str) -> str:
        """The id of the call that the next result belongs to."""
        found = id or self._first_of(name) or next(iter(self._open), f"call_{name or 'unknown'}")
        self._open.pop(found, None)
        return found

    def _first_of(self, name: str) -> str | None:
        called = self._by_name.get(name)
        while called:
            if called[0] in self._open:
                return called[0]
            called.popleft()
        return None
