"""The keys of the key store in a running gateway: read at the start, and again within a second of every change."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

import structlog

from octoroute.access.key_registry import KeyRegistry, KnownKey
from octoroute.access.key_store import KeyStoreError, SqliteKeyStore
from octoroute.config import environment

FILE_NAME = "keys.db"
INTERVAL_S = 1.0

Signature: TypeAlias = tuple[int, int, int] | None
"""Changes when the file does; None: there is no file."""

log = structlog.stdlib.get_logger("octoroute.keys")


def key_file() -> Path | None:
    """The key store of this user's programs; None: there is no state directory."""
    directory = environment.state_directory(environment.variables())
    return directory and directory / FILE_NAME


class StoredKeys:
    def __init__(self, path: Path, registry: Callable[[], KeyRegistry]) -> None:
        """`registry` returns the running one, which a reload replaces."""
        self._path = path
        self._store = SqliteKeyStore(path)
        self._registry = registry
        self._seen: Signature = None
        self._keys: Sequence[KnownKey] = ()
        self._any_made = False
        """The store has had a key: if all are gone, the gateway does not open."""

    def apply(self) -> None:
        """Give the registry the keys that were read last."""
        self._registry().use_stored(self._keys, any_made=self._any_made)

    async def run(self) -> None:
        """Look for a change of the file for ever."""
        while True:
            await asyncio.sleep(INTERVAL_S)
            await self.refresh()

    async def refresh(self) -> None:
        """Read the store if it has changed. A store that cannot be read leaves the keys as they were, and is tried again."""
        signature = _signature(self._path)
        if signature == self._seen:
            return
        try:
            stored = await asyncio.to_thread(self._store.all_keys)
        except KeyStoreError as error:
            self._any_made = True  # there is a store: whether it has keys is not known, and must not open the gateway
            self.apply()
            log.warning("the key store cannot be read; the keys known so far stay valid", error=error.message)
            return
        self._seen = signature
        self._any_made = self._any_made or bool(stored)
        self._keys = [key.known() for key in stored if key.revoked_at is None]
        self.apply()
        log.info("keys read from the key store", keys=len(self._keys))


def _signature(path: Path) -> Signature:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
