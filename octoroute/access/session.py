"""Sessions of browsers that have signed in: what the cookie says, and which sessions have been ended before their time.

A session of a key lasts no longer than the key: it names the key, and the registry says what the key may do now.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import sqlite3
from pathlib import Path

import msgspec
import structlog

from octoroute.access.cookie_signer import SECRET_BYTES
from octoroute.domain.principal import Principal

SECRET_FILE = "session.key"  # noqa: S105 - its name
ENDED_FILE = "sessions.db"
BUSY_TIMEOUT_S = 5.0
_SCHEMA = "CREATE TABLE IF NOT EXISTS ended_session (id TEXT PRIMARY KEY, expires_at REAL NOT NULL)"
_END = "INSERT OR REPLACE INTO ended_session (id, expires_at) VALUES (?, ?)"
_FORGET = "DELETE FROM ended_session WHERE expires_at <= ?"
_FIND = "SELECT 1 FROM ended_session WHERE id = ?"

log = structlog.stdlib.get_logger("octoroute.sessions")


class Session(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    expires_at: float
    """Seconds since the epoch."""
    key: str = ""
    """`CookieSigner.reference` of the key that signed in; "": a token did."""
    principal: Principal | None = None
    """Of the token that signed in."""
    issuer: str = ""
    """Identifies the settings that the token was judged by: other settings end the session."""


def new_session_id() -> str:
    return secrets.token_urlsafe(18)


def session_secret(directory: Path | None) -> bytes:
    """Return the secret of the file in the state directory, which is made if there is none, for its owner only.

    Without a directory, or if it cannot be written, the secret is of this process: sessions end with it.
    """
    made = secrets.token_bytes(SECRET_BYTES)
    if directory is None:
        return made
    path, new = directory / SECRET_FILE, directory / f".{SECRET_FILE}.{secrets.token_hex(8)}"
    try:
        if not path.exists():
            directory.mkdir(parents=True, exist_ok=True)
            with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(made)
            with contextlib.suppress(FileExistsError):  # another process was first
                os.link(new, path)
            new.unlink()
        secret = path.read_bytes()
    except OSError as error:
        log.warning("the secret of sessions cannot be kept; they end with this process", file=str(path), error=error.strerror)
        return made
    if len(secret) < SECRET_BYTES:
        log.warning("the secret of sessions is too short and is not used; remove the file", file=str(path))
        return made
    return secret


class EndedSessions:
    """Sessions that were signed out of, until they would have expired. All processes of the state directory share them."""

    def __init__(self, directory: Path | None) -> None:
        """None: in memory, for this process only."""
        self._path = directory and directory / ENDED_FILE
        self._memory: dict[str, float] = {}

    def end(self, session: Session, now: float) -> None:
        """Raises OSError or sqlite3.Error if it cannot be written; the session then goes on in the other processes."""
        self._memory = {id: at for id, at in self._memory.items() if at > now} | {session.id: session.expires_at}
        if self._path is None:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600))
        with contextlib.closing(self._connect()) as connection, connection:
            connection.execute(_SCHEMA)
            connection.execute(_FORGET, (now,))
            connection.execute(_END, (session.id, session.expires_at))

    def __contains__(self, id: str) -> bool:
        """A store that cannot be read has every session: signing in again is better than a session that has been ended."""
        if id in self._memory:
            return True
        if self._path is None or not self._path.exists():
            return False
        try:
            with contextlib.closing(self._connect()) as connection:
                connection.execute(_SCHEMA)
                return connection.execute(_FIND, (id,)).fetchone() is not None
        except sqlite3.Error as error:
            log.warning("the ended sessions cannot be read; no session is accepted", file=str(self._path), error=str(error))
            return True

    def _connect(self) -> sqlite3.Connection:
        assert self._path is not None
        return sqlite3.connect(self._path, timeout=BUSY_TIMEOUT_S)
