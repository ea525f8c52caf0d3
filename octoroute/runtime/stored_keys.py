"""The keys of the key stores in a running gateway: read at the start, and again within a second of every change."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import structlog

from octoroute.access.key_registry import KeyRegistry, KnownKey
from octoroute.access.key_store import KeyStore, KeyStoreError, SqliteKeyStore
from octoroute.access.postgresql_keys import PostgresqlKeyStore
from octoroute.access.redis_keys import RedisKeyStore
from octoroute.config import environment
from octoroute.config.schema import Config

FILE_NAME = "keys.db"
INTERVAL_S = 0.5
"""How often a store is asked whether it has changed."""

log = structlog.stdlib.get_logger("octoroute.keys")


def key_file() -> Path | None:
    """The key file of this user's programs; None: there is no state directory."""
    directory = environment.state_directory(environment.variables())
    return directory and directory / FILE_NAME


def key_stores(config: Config | None, file: Path | None) -> list[KeyStore]:
    """Where keys are, the place for new ones first: the store that replicas share, if there is one, then the key file."""
    stores: list[KeyStore] = [] if file is None else [SqliteKeyStore(file)]
    if config is None:
        return stores
    urls = [config.store.url.reveal(), "" if config.shared.url is None else config.shared.url.reveal()]
    for url in urls:
        match url.partition("://")[0]:
            case "postgresql" | "postgres":
                return [PostgresqlKeyStore(url), *stores]
            case "redis" | "rediss":
                return [RedisKeyStore(url), *stores]
            case _:
                pass
    return stores


class FollowedStore:
    """One store, and the keys that were read from it last."""

    def __init__(self, store: KeyStore) -> None:
        self.store = store
        self.keys: Sequence[KnownKey] = ()
        self.any_made = False
        """The store has had a key: if all are gone, the gateway does not open."""
        self._seen: object = None
        self._is_failing = False
        self._was_read = False

    @property
    def is_unread(self) -> bool:
        """It could not be read yet: whether it has keys is not known. One that was read once goes on as it was."""
        return self._is_failing and not self._was_read

    def read(self) -> bool:
        """Read the store if it has changed; returns whether something is new. Blocks.

        A store that cannot be read leaves the keys as they were, and is tried again.
        """
        try:
            version = self.store.version()
            if version == self._seen and not self._is_failing:
                return False
            stored = self.store.all_keys()
        except KeyStoreError as error:
            if not self._is_failing:
                log.warning("the key store cannot be read; the keys known so far stay valid", error=error.message)
            self._is_failing = True
            return True
        self._seen, self._is_failing, self._was_read = version, False, True
        self.any_made = self.any_made or bool(stored)
        self.keys = [key.known() for key in stored if key.revoked_at is None]
        log.info("keys read from the key store", keys=len(self.keys), store=self.store.name)
        return True


class StoredKeys:
    def __init__(self, stores: Sequence[KeyStore], registry: Callable[[], KeyRegistry]) -> None:
        """`registry` returns the running one, which a reload replaces."""
        self._followed = [FollowedStore(store) for store in stores]
        self._registry = registry

    def owners(self, name: str) -> set[str]:
        """As `owners_named`."""
        return owners_named(name, [followed.store for followed in self._followed])

    def apply(self) -> None:
        """Give the registry the keys that were read last."""
        keys = [key for followed in self._followed for key in followed.keys]
        self._registry().use_stored(
            keys,
            any_made=any(followed.any_made for followed in self._followed),
            unread=any(followed.is_unread for followed in self._followed),
        )

    async def run(self) -> None:
        """Look for changes of the stores for ever; none waits for another one that is away."""
        await asyncio.gather(*(self._follow(followed) for followed in self._followed))

    async def refresh(self) -> None:
        """Read the stores that have changed."""
        await asyncio.gather(*(self._read(followed) for followed in self._followed))

    async def _follow(self, followed: FollowedStore) -> None:
        while True:
            await asyncio.sleep(INTERVAL_S)
            await self._read(followed)

    async def _read(self, followed: FollowedStore) -> None:
        if await asyncio.to_thread(followed.read):
            self.apply()

    def close(self) -> None:
        for followed in self._followed:
            followed.store.close()


def owners_named(name: str, stores: Iterable[KeyStore]) -> set[str]:
    """Under which clients with keys of this name have stored responses; revoked keys count. Raises KeyStoreError; blocks."""
    return {key.owner for store in stores for key in store.all_keys() if key.principal.name == name}
