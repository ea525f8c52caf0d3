"""Keys that the gateway makes: their digests in a SQLite file, with what each of them may do. No key's text is ever stored.

The command line writes the file, and running gateways read it. Every change is one transaction.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import sqlite3
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Protocol

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
_INSERT = "INSERT INTO api_key (id, digest, principal, owner, created_at, expires_at) VALUES (?, ?, ?, ?, ?, ?)"
_EXPIRE = "UPDATE api_key SET expires_at = ? WHERE id = ?"
_REVOKE = "UPDATE api_key SET revoked_at = ? WHERE id = ?"


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


class NewKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key that was just made: the only place that has its text."""

    text: str
    stored: StoredKey


class KeyStore(Protocol):
    """Every method raises KeyStoreError if the store cannot be used."""

    def all_keys(self) -> Sequence[StoredKey]:
        """All keys, the oldest first; those that were revoked, too."""
        ...

    def add(self, principal: Principal, now: float, expires_at: float | None = None) -> NewKey:
        """Raises KeyStoreError if an active key has the principal's name."""
        ...

    def rotate(self, name: str, now: float, overlap_s: float, expires_at: float | None = None) -> NewKey:
        """Make another key for the principal; the present ones go on for `overlap_s`. Raises KeyStoreError if there is none."""
        ...

    def revoke(self, name_or_id: str, now: float) -> Sequence[StoredKey]:
        """Revoke the active keys of that name, or the one of that id. Raises KeyStoreError if there is none."""
        ...


class SqliteKeyStore:
    """A `KeyStore`. The file is opened for each operation, because they are rare, and made by the first one that writes."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def all_keys(self) -> Sequence[StoredKey]:
        if not self.path.exists():
            return ()
        with self._connection() as connection:
            return _keys(connection)

    def add(self, principal: Principal, now: float, expires_at: float | None = None) -> NewKey:
        with self._transaction() as connection:
            if _active(connection, principal.name, now):
                raise KeyStoreError(f"there is an active key {principal.name!r}; rotate it, revoke it, or choose another name")
            return _insert(connection, principal, f"key:{secrets.token_hex(16)}", now, expires_at)

    def rotate(self, name: str, now: float, overlap_s: float, expires_at: float | None = None) -> NewKey:
        with self._transaction() as connection:
            present = _active(connection, name, now)
            if not present:
                raise KeyStoreError(f"there is no active key {name!r}; `octoroute keys list` shows the keys")
            until = now + overlap_s
            for key in present:
                if key.expires_at is None or key.expires_at > until:
                    connection.execute(_EXPIRE, (until, key.id))
            return _insert(connection, present[-1].principal, present[-1].owner, now, expires_at)

    def revoke(self, name_or_id: str, now: float) -> Sequence[StoredKey]:
        with self._transaction() as connection:
            found = [
                key
                for key in _keys(connection)
                if key.revoked_at is None and name_or_id in {key.id, key.principal.name} and key.state(now) == "active"
            ]
            if not found:
                raise KeyStoreError(f"there is no active key {name_or_id!r}; `octoroute keys list` shows the keys")
            for key in found:
                connection.execute(_REVOKE, (now, key.id))
            return found

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


def _active(connection: sqlite3.Connection, name: str, now: float) -> list[StoredKey]:
    return [key for key in _keys(connection) if key.principal.name == name and key.state(now) == "active"]


def _insert(connection: sqlite3.Connection, principal: Principal, owner: str, now: float, expires_at: float | None) -> NewKey:
    id = PREFIX + "".join(secrets.choice(_ID_CHARS) for _ in range(8))
    text = f"{id}_{secrets.token_urlsafe(32)}"
    stored = StoredKey(id=id, digest=digest_of(text), principal=principal, owner=owner, created_at=now, expires_at=expires_at)
    connection.execute(_INSERT, (id, stored.digest, msgspec.json.encode(principal), owner, now, expires_at))
    return NewKey(text=text, stored=stored)
