"""Leases in PostgreSQL, shared by all replicas. One thread, one connection; each batch is one transaction.

A transaction takes one advisory lock, not row by row, so that no two can wait for each other.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

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
from octoroute.access.postgresql_connection import connector

if TYPE_CHECKING:
    import psycopg

STATEMENT_TIMEOUT_MS = 1500
LOCK = 0x6F63746F
"""The advisory lock of all batches: "octo"."""
SWEEP_S = 300.0

_SCHEMA = f"""
BEGIN;
SELECT pg_advisory_xact_lock({LOCK});
CREATE SCHEMA IF NOT EXISTS octoroute;
CREATE TABLE IF NOT EXISTS octoroute.lease_window (name text PRIMARY KEY, spent bigint NOT NULL, ends_at float8 NOT NULL);
CREATE TABLE IF NOT EXISTS octoroute.lease_held (name text, owner text, amount bigint NOT NULL, PRIMARY KEY (name, owner));
CREATE INDEX IF NOT EXISTS lease_held_owner ON octoroute.lease_held (owner);
CREATE TABLE IF NOT EXISTS octoroute.lease_owner (id text PRIMARY KEY, sequence bigint NOT NULL, expires_at float8 NOT NULL);
COMMIT;
"""
_NOW = "extract(epoch FROM clock_timestamp())::float8"
_STATES = """
SELECT wanted.name, coalesce(w.spent, 0)::bigint, coalesce(sum(h.amount), 0)::bigint,
       coalesce(sum(h.amount) FILTER (WHERE h.owner = %s), 0)::bigint
FROM unnest(%s::text[]) AS wanted(name)
LEFT JOIN octoroute.lease_window w ON w.name = wanted.name LEFT JOIN octoroute.lease_held h ON h.name = wanted.name
GROUP BY wanted.name, w.spent
"""
_EXPIRE = f"""
DELETE FROM octoroute.lease_held WHERE owner IN (SELECT id FROM octoroute.lease_owner WHERE expires_at <= {_NOW})
"""  # noqa: S608 - a constant
_RELEASE = "DELETE FROM octoroute.lease_held WHERE owner = %s"
_WRITE_WINDOWS = """
INSERT INTO octoroute.lease_window SELECT * FROM unnest(%s::text[], %s::bigint[], %s::float8[])
ON CONFLICT (name) DO UPDATE SET spent = excluded.spent
"""
_WRITE_HELD = """
INSERT INTO octoroute.lease_held SELECT name, %s, amount FROM unnest(%s::text[], %s::bigint[]) AS new(name, amount)
ON CONFLICT (name, owner) DO UPDATE SET amount = excluded.amount
"""
_WRITE_OWNER = f"""
INSERT INTO octoroute.lease_owner VALUES (%s, %s, {_NOW} + %s)
ON CONFLICT (id) DO UPDATE SET sequence = excluded.sequence, expires_at = excluded.expires_at
"""  # noqa: S608 - a constant


class PostgresqlLeases(ConnectionThread["psycopg.Connection[Any]"]):
    name = "postgresql"

    def __init__(self, url: str, *, owner_ttl_s: float = OWNER_TTL_S) -> None:
        """Connects with the first batch. Raises ConfigError if the extra is not installed."""
        error, self._connect = connector(url, setting="[shared] url", statement_timeout_ms=STATEMENT_TIMEOUT_MS, schema=_SCHEMA)
        super().__init__(self.name, (error, OSError))
        self._owner_ttl_s = owner_ttl_s
        self._sweep_at = 0.0

    def _open(self) -> psycopg.Connection[Any]:
        return self._connect()

    def _close(self, connection: psycopg.Connection[Any]) -> None:
        with contextlib.suppress(*self._errors):
            connection.close()

    def _exchange(self, connection: psycopg.Connection[Any], batch: LeaseBatch) -> BatchResult:
        try:
            with connection.transaction():
                return self._apply(connection, batch)
        except BaseException:
            self._disconnect()  # the next batch starts afresh
            raise

    def _apply(self, connection: psycopg.Connection[Any], batch: LeaseBatch) -> BatchResult:
        windows = windows_of(batch)
        with connection.pipeline():
            connection.execute(f"SELECT pg_advisory_xact_lock({LOCK})".encode())
            owner = connection.execute(
                f"SELECT {_NOW}, (SELECT sequence FROM octoroute.lease_owner WHERE id = %s), "  # noqa: S608 - constants
                "(SELECT expires_at FROM octoroute.lease_owner WHERE id = %s)".encode(),
                (batch.owner, batch.owner),
            )
            connection.execute(_EXPIRE.encode())
            rows = connection.execute(_STATES.encode(), (batch.owner, list(windows)))
        now, sequence, expires_at = owner.fetchone() or (0.0, None, None)
        if sequence is not None and batch.sequence <= sequence:
            if batch.is_last:
                connection.execute(_RELEASE.encode(), (batch.owner,))
            return BatchResult(verdicts=(), now=now)
        states = {name: WindowState(int(spent), int(held), int(own)) for name, spent, held, own in rows.fetchall()}
        verdicts = apply(batch, states)
        self._write(connection, batch, windows, states)
        self._sweep(connection, now)
        return BatchResult(verdicts=verdicts, now=now, has_expired=expires_at is not None and expires_at <= now)

    def _write(
        self,
        connection: psycopg.Connection[Any],
        batch: LeaseBatch,
        windows: Mapping[str, float],
        states: Mapping[str, WindowState],
    ) -> None:
        names = list(states)
        with connection.pipeline():
            if names:
                spent, ends_at = [states[name].spent for name in names], [windows[name] for name in names]
                connection.execute(_WRITE_WINDOWS.encode(), (names, spent, ends_at))
                held = {name: state.own for name, state in states.items() if state.own}
                connection.execute(_WRITE_HELD.encode(), (batch.owner, list(held), list(held.values())))
                free = [name for name, state in states.items() if not state.own]
                connection.execute(b"DELETE FROM octoroute.lease_held WHERE owner = %s AND name = ANY(%s)", (batch.owner, free))
            if batch.is_last:
                connection.execute(_RELEASE.encode(), (batch.owner,))
            connection.execute(_WRITE_OWNER.encode(), (batch.owner, batch.sequence, 0.0 if batch.is_last else self._owner_ttl_s))

    def _sweep(self, connection: psycopg.Connection[Any], now: float) -> None:
        if now >= self._sweep_at:
            self._sweep_at = now + SWEEP_S
            connection.execute(b"DELETE FROM octoroute.lease_window WHERE ends_at <= %s", (now - KEEP_S,))
            connection.execute(b"DELETE FROM octoroute.lease_owner WHERE expires_at <= %s", (now - KEEP_S,))

    def _read(self, connection: psycopg.Connection[Any], windows: Sequence[str]) -> Mapping[str, WindowState]:
        connection.execute(_EXPIRE.encode())
        rows = connection.execute(_STATES.encode(), ("", list(windows))).fetchall()
        return {name: WindowState(int(spent), int(held)) for name, spent, held, _ in rows}
