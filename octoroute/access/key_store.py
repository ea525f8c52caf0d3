"""Keys that the gateway makes: their digests, with what each of them may do, in one place. No key's text is ever stored.

The command line writes the place, and running gateways read it. Every change is one transaction.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterable, Sequence
from pathlib import Path
from typing import TypeAlias

import msgspec

from octoroute.access.credentials import PREFIX, digest_of
from octoroute.access.key_registry import KnownKey
from octoroute.domain.principal import Principal
from octoroute.errors import OctorouteError

BUSY_TIMEOUT_S = 5.0
_ID_CHARS = "abcdefghijkmnpqrstuvwxyz23456789"
"""Without those that are taken for one another."""
_SCHEMA = """
CREATE TABLE IF NOT EXISTS api_key (
    id TEXT PRIMARY KEY, digest BLOB NOT NULL UNIQUE, principal BLOB NOT NULL, owner TEXT NOT NULL,
    created_at REAL NOT NULL, expires_at REAL, revoked_at REAL)
"""
_ALL = "SELECT id, digest, principal, owner, created_at, expires_at, revoked_at FROM api_key ORDER BY created_at, id"
_PUT = (
    "INSERT OR REPLACE INTO api_key (id, digest, principal, owner, created_at, expires_at, revoked_at) VALUES (?, ?, ?, ?, ?, ?, ?)"
)


class KeyStoreError(OctorouteError):
    """The key store cannot be read or changed, or does not have what was asked for."""


class StoredKey(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    """Public: it stands in the key's text, so that a key that is found can be told."""
    digest: bytes
    principal: Principal
    owner: str
    """Stays the same when the key is rotated."""
    created_at: float
    """Seconds since the epoch, as the other times."""
    expires_at: float | None = None
    revoked_at: float | None = None

    def state(self, now: float) -> str:
        """active, expired, or revoked."""
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.expires_at is not None and self.expires_at <= now else "active"

    def known(self) -> KnownKey:
        return KnownKey(digest=self.digest, principal=self.principal, owner=self.owner, expires_at=self.expires_at)


_KEY = msgspec.json.Decoder(StoredKey)


class NewKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key that was just made: the only place that has its text."""

    text: str
    stored: StoredKey


Edit: TypeAlias = Callable[[Sequence[StoredKey]], Sequence[StoredKey]]
"""Gets all keys, and returns those that are new or changed. It may be called again with other keys."""


class KeyStore(ABC):
    """The keys at one place. Every method raises KeyStoreError if the place cannot be used."""

    name: str
    """For operators; without a password."""

    @abstractmethod
    def version(self) -> object:
        """Something that is another one after a change; asked for often, and cheap."""

    @abstractmethod
    def all_keys(self) -> Sequence[StoredKey]:
        """All keys, the oldest first; those that were revoked, too."""

    @abstractmethod
    def change(self, edit: Edit) -> None:
        """Write what `edit` returns, as one transaction. An error of `edit` is raised, and nothing is written."""

    def close(self) -> None:  # noqa: B027 - a file has nothing to close
        """Release what is open."""

    def add(self, principal: Principal, now: float, expires_at: float | None = None) -> NewKey:
        """Raises KeyStoreError if an active key has the principal's name."""
        made = new_key(principal, f"key:{secrets.token_hex(16)}", now, expires_at)

        def edit(keys: Sequence[StoredKey]) -> Sequence[StoredKey]:
            if _active(keys, principal.name, now):
                raise KeyStoreError(f"there is an active key {principal.name!r}; rotate it, revoke it, or choose another name")
            return [made.stored]

        self.change(edit)
        return made

    def rotate(self, name: str, now: float, overlap_s: float, expires_at: float | None = None) -> NewKey:
        """Make another key for the principal; the present ones go on for `overlap_s`. Raises KeyStoreError if there is none."""
        made: list[NewKey] = []

        def edit(keys: Sequence[StoredKey]) -> Sequence[StoredKey]:
            present = [key for key in _active(keys, name, now) if key.principal.name == name]
            if not present:
                raise KeyStoreError(f"there is no active key {name!r}; `octoroute keys list` shows the keys")
            until = now + overlap_s
            shortened = [
                msgspec.structs.replace(key, expires_at=until)
                for key in present
                if key.expires_at is None or key.expires_at > until
            ]
            made[:] = [new_key(present[-1].principal, present[-1].owner, now, expires_at)]
            return [*shortened, made[0].stored]

        self.change(edit)
        return made[0]

    def revoke(self, name_or_id: str, now: float) -> Sequence[StoredKey]:
        """Revoke the active keys of that name, or the one of that id. Raises KeyStoreError if there is none."""
        found: list[StoredKey] = []

        def edit(keys: Sequence[StoredKey]) -> Sequence[StoredKey]:
            found[:] = _active(keys, name_or_id, now)
            if not found:
                raise KeyStoreError(f"there is no active key {name_or_id!r}; `octoroute keys list` shows the keys")
            return [msgspec.structs.replace(key, revoked_at=now) for key in found]

        self.change(edit)
        return found

    def has_active(self, name_or_id: str, now: float) -> bool:
        return bool(_active(self.all_keys(), name_or_id, now))


class SqliteKeyStore(KeyStore):
    """The file is opened for each operation, because they are rare, and made by the first one that writes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = str(path)

    def version(self) -> object:
        try:
            found = self.path.stat()
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size

    def all_keys(self) -> Sequence[StoredKey]:
        if not self.path.exists():
            return ()
        with self._connection() as connection:
            return _keys(connection)

    def change(self, edit: Edit) -> None:
        with self._transaction() as connection:
            for key in edit(_keys(connection)):
                columns = (key.id, key.digest, msgspec.json.encode(key.principal), key.owner, key.created_at)
                connection.execute(_PUT, (*columns, key.expires_at, key.revoked_at))

    @contextlib.contextmanager
    def _transaction(self) -> Generator[sqlite3.Connection]:
        self._create()
        with self._connection() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")

    def _create(self) -> None:
        """Make the file for its owner only."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))
        except OSError as error:
            raise KeyStoreError(f"the key store {self.path} cannot be written: {error.strerror}") from error

    @contextlib.contextmanager
    def _connection(self) -> Generator[sqlite3.Connection]:
        try:
            connection = sqlite3.connect(self.path, timeout=BUSY_TIMEOUT_S, isolation_level=None)
            with contextlib.closing(connection):
                connection.execute(_SCHEMA)
                yield connection
        except (sqlite3.Error, msgspec.DecodeError) as error:
            raise KeyStoreError(f"the key store {self.path} cannot be used: {error}") from error


def _keys(connection: sqlite3.Connection) -> list[StoredKey]:
    return [
        StoredKey(
            id=id,
            digest=digest,
            principal=msgspec.json.decode(principal, type=Principal),
            owner=owner,
            created_at=created_at,
            expires_at=expires_at,
            revoked_at=revoked_at,
        )
        for id, digest, principal, owner, created_at, expires_at, revoked_at in connection.execute(_ALL)
    ]


def _active(keys: Sequence[StoredKey], name_or_id: str, now: float) -> list[StoredKey]:
    return [key for key in keys if name_or_id in {key.id, key.principal.name} and key.state(now) == "active"]


def new_key(principal: Principal, owner: str, now: float, expires_at: float | None) -> NewKey:
    id = PREFIX + "".join(secrets.choice(_ID_CHARS) for _ in range(8))
    text = f"{id}_{secrets.token_urlsafe(32)}"
    stored = StoredKey(id=id, digest=digest_of(text), principal=principal, owner=owner, created_at=now, expires_at=expires_at)
    return NewKey(text=text, stored=stored)


def in_order(encoded: Iterable[bytes]) -> list[StoredKey]:
    """Keys that were encoded as JSON, the oldest first. Raises msgspec.DecodeError."""
    return sorted((_KEY.decode(one) for one in encoded), key=lambda key: (key.created_at, key.id))
