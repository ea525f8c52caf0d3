"""Texts that models wrote about content, each kept under a digest of that content: in memory, bounded in bytes."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable

_OVERHEAD_BYTES = 256


class ContentCache:
    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._entries: OrderedDict[bytes, str] = OrderedDict()
        self._under_way: dict[bytes, asyncio.Event] = {}
        self.size = 0
        """Bytes of all entries."""

    def get(self, key: bytes) -> str | None:
        text = self._entries.get(key)
        if text is not None:
            self._entries.move_to_end(key)
        return text

    async def get_or_make(self, key: bytes, make: Callable[[], Awaitable[str]]) -> str:
        """The text of `key`; `make` writes a missing one, once at a time for each key. Raises what `make` raises."""
        while (text := self.get(key)) is None:
            other = self._under_way.get(key)
            if other is not None:
                await other.wait()
                continue
            done = self._under_way[key] = asyncio.Event()
            try:
                text = await make()
            finally:
                del self._under_way[key]
                done.set()
            self._put(key, text)
            return text
        return text

    def _put(self, key: bytes, text: str) -> None:
        size = _size(key, text)
        if size > self._max_bytes or key in self._entries:
            return
        self._entries[key] = text
        self.size += size
        while self.size > self._max_bytes:
            oldest, dropped = self._entries.popitem(last=False)
            self.size -= _size(oldest, dropped)


def _size(key: bytes, text: str) -> int:
    return len(key) + len(text.encode("utf-8", "replace")) + _OVERHEAD_BYTES
