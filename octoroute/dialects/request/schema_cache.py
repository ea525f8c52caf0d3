"""Remembers rewritten schemas by their bytes, because an agent sends the same tools with every request. Bounded in bytes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import Generic, TypeVar

MAX_ENTRY_BYTES = 16 * 1024
"""Larger schemas are rewritten each time: they are rare, and a few of them would fill the cache."""
MAX_BYTES = 2 * 1024 * 1024
"""Of encoded schemas in one cache; what is kept of each takes about ten times as much memory."""

T = TypeVar("T")


class SchemaCache(Generic[T]):
    """Used by several threads; a schema that two of them miss is computed twice and kept once."""

    def __init__(self, build: Callable[[bytes], T], max_bytes: int = MAX_BYTES, max_entry_bytes: int = MAX_ENTRY_BYTES) -> None:
        self._build = build
        self._max_bytes = max_bytes
        self._max_entry_bytes = max_entry_bytes
        self._entries: OrderedDict[bytes, T] = OrderedDict()
        self._changes = Lock()
        self.bytes = 0
        """Of the keys that are kept."""

    def find(self, encoded: bytes) -> T | None:
        """The value that is remembered for a schema. It must not be changed."""
        return self._entries.get(encoded)

    def get(self, encoded: bytes) -> T:
        """The value for a schema, computed if it is not remembered. It must not be changed."""
        found = self._entries.get(encoded)
        if found is None:
            found = self._build(encoded)
            self.keep(encoded, found)
        return found

    def keep(self, encoded: bytes, built: T) -> None:
        if len(encoded) > self._max_entry_bytes:
            return
        with self._changes:
            if encoded in self._entries:  # two threads have built it, and its bytes count once
                return
            self._entries[encoded] = built
            self.bytes += len(encoded)
            while self.bytes > self._max_bytes:
                oldest, _ = self._entries.popitem(last=False)
                self.bytes -= len(oldest)

    def __len__(self) -> int:
        return len(self._entries)
