"""Remembers rewritten schemas by their bytes, because an agent sends the same tools with every request. Bounded in bytes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

MAX_ENTRY_BYTES = 16 * 1024
"""Larger schemas are rewritten each time: they are rare, and a few of them would fill the cache."""
MAX_BYTES = 2 * 1024 * 1024
"""Of encoded schemas in one cache; what is kept of each takes about ten times as much memory."""

T = TypeVar("T")


class SchemaCache(Generic[T]):
    """Used by several threads: each operation on the dictionary is atomic, and a lost entry is only computed again."""

    def __init__(self, build: Callable[[bytes], T], max_bytes: int = MAX_BYTES, max_entry_bytes: int = MAX_ENTRY_BYTES) -> None:
        self._build = build
        self._max_bytes = max_bytes
        self._max_entry_bytes = max_entry_bytes
        self._entries: OrderedDict[bytes, T] = OrderedDict()
        self.bytes = 0
        """Of the keys that are kept."""

    def get(self, encoded: bytes) -> T:
        """The value for a schema, computed if it is not remembered. It must not be changed."""
        found = self._entries.get(encoded)
        if found is not None:
            return found
        built = self._build(encoded)
        if len(encoded) <= self._max_entry_bytes:
            self._entries[encoded] = built
            self.bytes += len(encoded)
            while self.bytes > self._max_bytes:
                oldest, _ = self._entries.popitem(last=False)
                self.bytes -= len(oldest)
        return built

    def __len__(self) -> int:
        return len(self._entries)
