"""Sessions of browsers: a signed cookie in place of a key, for the dashboard and the admin routes only.

The cookie is HttpOnly, SameSite=Lax, and Secure under TLS. `access.permissions.takes_session` says where it counts.
"""

from __future__ import annotations

import asyncio
import functools
import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import structlog

from octoroute.access.cookie_signer import CookieSigner
from octoroute.access.key_registry import KeyRegistry, KnownKey
from octoroute.access.session import EndedSessions, Session, new_session_id, session_secret
from octoroute.domain.principal import Principal
from octoroute.server.downstream import Scope
from octoroute.server.origins import check_own_page, scheme_of

COOKIE = "octoroute-session"
_PURPOSE = "session"
MAX_GROUPS = 10
"""A cookie has no room for more; the routes of a session need none."""
_READING = frozenset({"GET", "HEAD"})

log = structlog.stdlib.get_logger("octoroute.sessions")


class BrowserSessions:
    def __init__(
        self, registry: Callable[[], KeyRegistry], wall: Callable[[], float], directory: Path | None, cookie_path: Callable[[], str]
    ) -> None:
        """`registry` returns the running one. `wall`: seconds since the epoch. `directory`: of the state; None: there is none.

        `cookie_path`: the path that every route is below.
        """
        self._registry = registry
        self._wall = wall
        self._directory = directory
        self._cookie_path = cookie_path
        self._ended = EndedSessions(directory)
        self._known: Mapping[bytes, KnownKey] = {}
        self._by_reference: Mapping[str, KnownKey] = {}

    @functools.cached_property
    def signer(self) -> CookieSigner:
        """Made at the first use: a gateway without sessions has no secret of them."""
        return CookieSigner(session_secret(self._directory))

    async def principal(self, scope: Scope, headers: Mapping[str, str]) -> Principal | None:
        """Return the client that has signed in; None: there is no session, or it has ended. Raises Forbidden for another page."""
        session = self._read(headers)
        found = None if session is None else self._principal(session)
        if session is None or found is None or await asyncio.to_thread(self._ended.__contains__, session.id):
            return None
        check_own_page(scope, headers, bare=scope["method"] in _READING)
        return found

    def begin(self, key: KnownKey, hours: float, scope: Scope, headers: Mapping[str, str]) -> str:
        """Return the `set-cookie` of a new session of the key or token. It ends with the key, if that expires sooner."""
        expires_at = self._wall() + hours * 3600
        if key.expires_at is not None:
            expires_at = min(expires_at, key.expires_at)
        session = Session(id=new_session_id(), expires_at=expires_at, **self._source(key))
        return self.cookie(COOKIE, self.signer.sign(_PURPOSE, session), expires_at - self._wall(), scope, headers)

    def _source(self, key: KnownKey) -> dict[str, Any]:
        """What the session stands for: a key by reference; a token, which is forgotten sooner, by what it granted."""
        if not key.granted_by:
            return {"key": self.signer.reference(key.digest)}
        principal = key.principal
        brief = Principal(
            name=principal.name,
            role=principal.role,
            groups=principal.groups[:MAX_GROUPS],
            budget_holder=principal.budget_holder,
            is_listed=False,
        )
        return {"principal": brief, "issuer": key.granted_by}

    async def end(self, scope: Scope, headers: Mapping[str, str]) -> str:
        """End the session of the request, wherever its cookie has gone, and return the `set-cookie` that removes it."""
        session = self._read(headers)
        if session is not None:
            try:
                await asyncio.to_thread(self._ended.end, session, self._wall())
            except (OSError, sqlite3.Error) as error:
                log.warning("a session has ended in this process only", error=str(error))
        return self.cookie(COOKIE, "", 0, scope, headers)

    def expires_at(self, headers: Mapping[str, str]) -> float | None:
        """Seconds since the epoch when the session of the request ends; None: it has none."""
        session = self._read(headers)
        return session and session.expires_at

    def cookie(self, name: str, value: str, seconds: float, scope: Scope, headers: Mapping[str, str]) -> str:
        """Return the header `set-cookie`."""
        secure = "; Secure" if scheme_of(scope, headers) == "https" else ""
        return f"{name}={value}; Path={self._cookie_path() or '/'}; Max-Age={max(0, int(seconds))}; HttpOnly; SameSite=Lax{secure}"

    def _read(self, headers: Mapping[str, str]) -> Session | None:
        """The session of the cookie, unless it has expired."""
        text = cookie_of(headers, COOKIE)
        session = self.signer.read(_PURPOSE, text, Session) if text else None
        return None if session is None or session.expires_at <= self._wall() else session

    def _principal(self, session: Session) -> Principal | None:
        if session.principal is not None:
            return session.principal if self._registry().has_issuer(session.issuer) else None
        known = self._registry().known
        if known is not self._known:
            self._by_reference = {self.signer.reference(digest): key for digest, key in known.items()}
            self._known = known
        key = self._by_reference.get(session.key)
        if key is None or (key.expires_at is not None and key.expires_at <= self._wall()):
            return None
        return key.principal


def cookie_of(headers: Mapping[str, str], name: str) -> str:
    """The value of a cookie of the request; "": there is none. Cookies of other programs on this host may be malformed."""
    pairs = (pair.strip().partition("=") for pair in headers.get("cookie", "").split(";"))
    return next((value for found, _, value in pairs if found == name), "")
