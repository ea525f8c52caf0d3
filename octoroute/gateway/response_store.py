"""Responses that clients store, in the memory of this process: bounded in bytes and in time, and shared fairly among keys.

When the bytes are used up, the owner of most of them loses what it has not used for the longest time. A restart forgets everything.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence

import msgspec

from octoroute.domain.stored_response import StoredResponse, output_ids

_OVERHEAD_BYTES = 1024
_ITEM_BYTES = 200
"""Of an item's entry in the index."""


class _Entry:
    __slots__ = ("expires_at", "item_ids", "response", "size")

    def __init__(self, response: StoredResponse, item_ids: Sequence[str]) -> None:
        self.response = response
        self.item_ids = item_ids
        self.size = len(response.input) + len(response.body) + _OVERHEAD_BYTES + _ITEM_BYTES * len(item_ids)
        self.expires_at = 0.0


class _Owner:
    """The responses of one owner, the least recently used and first to expire at the front, and the response of each item."""

    __slots__ = ("entries", "items", "size")

    def __init__(self) -> None:
        self.entries: OrderedDict[str, _Entry] = OrderedDict()
        self.items: dict[str, str] = {}
        self.size = 0


class MemoryResponseStore:
    """A `ResponseStore`. No method waits for anything."""

    def __init__(self, *, ttl_s: float, max_bytes: int, clock: Callable[[], float]) -> None:
        """`ttl_s` or `max_bytes` 0: nothing is stored."""
        self._clock = clock
        self._ttl_s = ttl_s
        self._max_bytes = max_bytes
        self._owners: dict[str, _Owner] = {}
        self.size = 0
        """Bytes of all responses, including an estimated overhead."""

    def configure(self, *, ttl_s: float, max_bytes: int) -> None:
        """A shorter time applies to responses that are stored already, too."""
        longer_s, self._ttl_s, self._max_bytes = max(0.0, self._ttl_s - ttl_s), ttl_s, max_bytes
        for owner in self._owners.values():
            for entry in owner.entries.values():
                entry.expires_at -= longer_s
        self._expire()
        self._evict()

    async def put(self, response: StoredResponse) -> None:
        item_ids = output_ids(response.body)
        entry = _Entry(response, item_ids)
        self._drop(response.owner, response.id)
        self._expire()
        if self._ttl_s <= 0 or entry.size > self._max_bytes:
            return
        owner = self._owners.setdefault(response.owner, _Owner())
        owner.entries[response.id] = entry
        owner.size += entry.size
        self.size += entry.size
        owner.items |= dict.fromkeys(item_ids, response.id)
        entry.expires_at = self._clock() + self._ttl_s
        self._evict()

    async def get(self, owner: str, id: str) -> StoredResponse | None:
        entry = self._live(owner, id)
        return None if entry is None else entry.response

    async def chain(self, owner: str, id: str, limit: int) -> Sequence[StoredResponse]:
        found: list[StoredResponse] = []
        at: str | None = id
        while at is not None and len(found) < limit and (entry := self._live(owner, at)) is not None:
            found.append(entry.response)
            at = entry.response.previous
        found.reverse()
        for response in found:
            self._renew(owner, response.id)
        return found

    async def find(self, owner: str, item_id: str) -> StoredResponse | None:
        known = self._owners.get(owner)
        id = None if known is None else known.items.get(item_id)
        entry = None if id is None else self._live(owner, id)
        if entry is None:
            return None
        self._renew(owner, entry.response.id)
        return entry.response

    async def delete(self, owner: str, id: str) -> bool:
        existed = self._live(owner, id) is not None
        self._drop(owner, id)
        return existed

    async def forget(self, owners: Collection[str]) -> int:
        return sum(map(self.drop_owner, owners))

    def drop_owner(self, owner: str) -> int:
        """Delete everything of an owner; how many responses there were."""
        known = self._owners.pop(owner, None)
        if known is None:
            return 0
        self.size -= known.size
        return len(known.entries)

    def _live(self, owner: str, id: str) -> _Entry | None:
        known = self._owners.get(owner)
        entry = None if known is None else known.entries.get(id)
        return entry if entry is not None and self._clock() < entry.expires_at else None

    def _renew(self, owner: str, id: str) -> None:
        entries = self._owners[owner].entries
        entries.move_to_end(id)
        entries[id].expires_at = self._clock() + self._ttl_s

    def _drop(self, owner: str, id: str) -> None:
        known = self._owners.get(owner)
        entry = None if known is None else known.entries.pop(id, None)
        if known is None or entry is None:
            return
        known.size -= entry.size
        self.size -= entry.size
        for item_id in entry.item_ids:
            if known.items.get(item_id) == id:
                del known.items[item_id]
        if not known.entries:
            del self._owners[owner]

    def _expire(self) -> None:
        now = self._clock()
        for name, owner in tuple(self._owners.items()):
            while owner.entries and next(iter(owner.entries.values())).expires_at <= now:
                self._drop(name, next(iter(owner.entries)))

    def _evict(self) -> None:
        while self.size > self._max_bytes:
            name, owner = max(self._owners.items(), key=lambda item: item[1].size)
            self._drop(name, next(iter(owner.entries)))


class ConnectionMemory:
    """A `ResponseStore` of one connection, for what its client does not want stored. Its bytes count in `shared`."""

    def __init__(self, shared: MemoryResponseStore, name: str) -> None:
        """`name`: unique among the connections."""
        self._shared = shared
        self._name = name

    async def put(self, response: StoredResponse) -> None:
        await self._shared.put(msgspec.structs.replace(response, owner=self._name))

    async def get(self, owner: str, id: str) -> StoredResponse | None:
        del owner
        return await self._shared.get(self._name, id)

    async def chain(self, owner: str, id: str, limit: int) -> Sequence[StoredResponse]:
        del owner
        return await self._shared.chain(self._name, id, limit)

    async def find(self, owner: str, item_id: str) -> StoredResponse | None:
        del owner
        return await self._shared.find(self._name, item_id)

    async def delete(self, owner: str, id: str) -> bool:
        del owner
        return await self._shared.delete(self._name, id)

    def forget(self) -> None:
        """The connection has ended."""
        self._shared.drop_owner(self._name)
