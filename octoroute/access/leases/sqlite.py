"""Leases in a SQLite file that the processes of one machine share. One thread; each batch is one transaction.

`synchronous = NORMAL` in WAL mode: a crash of a process loses nothing that was committed, a crash of the machine may lose the last
commits, and never the file.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from octoroute.access.leases.base import (
    KEEP_S,
    OWNER_TTL_S,
    BatchResult,
    LeaseBatch,
    WindowState,
    apply,
    windows_of,
)
from octoroute.access.leases.connection_thread import ConnectionThread

BUSY_TIMEOUT_S = 1.5
"""How long a batch waits for another process's transaction."""
SWEEP_S = 300.0

_SCHEMA = """
CREATE TABLE IF NOT EXISTS lease_window (name TEXT PRIMARY KEY, spent INTEGER NOT NULL, ends_at REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS lease_held (
    name TEXT, owner TEXT, amount INTEGER NOT NULL, PRIMARY KEY (name, owner)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS lease_held_owner ON lease_held (owner);
CREATE TABLE IF NOT EXISTS lease_owner (id TEXT PRIMARY KEY, sequence INTEGER NOT NULL, expires_at REAL NOT NULL) WITHOUT ROWID;
"""


class SqliteLeases(ConnectionThread[sqlite3.Connection]):
    name = "sqlite"

    def __init__(self, path: Path, wall: Callable[[], float], *, owner_ttl_s: float = OWNER_TTL_S) -> None:
        """`wall`: seconds since the epoch."""
        super().__init__(str(path), (sqlite3.Error,))
        self._path = path
        self._wall = wall
        self._owner_ttl_s = owner_ttl_s
        self._sweep_at = 0.0

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False, cached_statements=64
        )
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.executescript(_SCHEMA)
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    def _close(self, connection: sqlite3.Connection) -> None:
        connection.close()

    def _exchange(self, connection: sqlite3.Connection, batch: LeaseBatch) -> BatchResult:
        connection.execute("BEGIN IMMEDIATE")
        try:
            result = self._apply(connection, batch)
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")
        return result

    def _apply(self, connection: sqlite3.Connection, batch: LeaseBatch) -> BatchResult:
        now = self._wall()
        known = connection.execute("SELECT sequence, expires_at FROM lease_owner WHERE id = ?", (batch.owner,)).fetchone()
        if known is not None and batch.sequence <= known[0]:
            if batch.is_last:
                connection.execute("DELETE FROM lease_held WHERE owner = ?", (batch.owner,))
            return BatchResult(verdicts=(), now=now)
        self._expire(connection, now)
        windows = windows_of(batch)
        states = {window: self._state(connection, window, batch.owner) for window in windows}
        verdicts = apply(batch, states)
        for window, state in states.items():
            connection.execute(
                "INSERT INTO lease_window VALUES (?, ?, ?) ON CONFLICT (name) DO UPDATE SET spent = excluded.spent",
                (window, state.spent, windows[window]),
            )
            if state.own:
                connection.execute(
                    "INSERT INTO lease_held VALUES (?, ?, ?) ON CONFLICT (name, owner) DO UPDATE SET amount = excluded.amount",
                    (window, batch.owner, state.own),
                )
            else:
                connection.execute("DELETE FROM lease_held WHERE name = ? AND owner = ?", (window, batch.owner))
        if batch.is_last:
            connection.execute("DELETE FROM lease_held WHERE owner = ?", (batch.owner,))
        connection.execute(
            "INSERT INTO lease_owner VALUES (?, ?, ?) "
            "ON CONFLICT (id) DO UPDATE SET sequence = excluded.sequence, expires_at = excluded.expires_at",
            (batch.owner, batch.sequence, now if batch.is_last else now + self._owner_ttl_s),
        )
        return BatchResult(verdicts=verdicts, now=now, has_expired=known is not None and known[1] <= now)

    @staticmethod
    def _state(connection: sqlite3.Connection, window: str, owner: str) -> WindowState:
        spent, held, own = connection.execute(
            "SELECT (SELECT spent FROM lease_window WHERE name = :window), "
            "(SELECT sum(amount) FROM lease_held WHERE name = :window), "
            "(SELECT amount FROM lease_held WHERE name = :window AND owner = :owner)",
            {"window": window, "owner": owner},
        ).fetchone()
        return WindowState(spent or 0, held or 0, own or 0)

    def _read(self, connection: sqlite3.Connection, windows: Sequence[str]) -> Mapping[str, WindowState]:
        self._expire(connection, self._wall())
        return {window: self._state(connection, window, "") for window in windows}

    def _expire(self, connection: sqlite3.Connection, now: float) -> None:
        connection.execute(
            "DELETE FROM lease_held WHERE owner IN (SELECT id FROM lease_owner WHERE expires_at <= ?)",
            (now,),
        )
        if now >= self._sweep_at:
            self._sweep_at = now + SWEEP_S
            connection.execute("DELETE FROM lease_window WHERE ends_at <= ?", (now - KEEP_S,))
            connection.execute("DELETE FROM lease_owner WHERE expires_at <= ?", (now - KEEP_S,))
