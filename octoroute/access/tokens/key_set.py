"""The public keys of an issuer (JWKS, RFC 7517): fetched when needed, kept while the issuer is down, replaced when they rotate.

All requests that wait share one fetch. A request waits for it only if no key that is known fits its token, and never long.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeAlias, cast
from urllib.parse import urlsplit

import msgspec
import structlog

from octoroute.errors import IdentityUnavailable, OctorouteError

Fetch: TypeAlias = Callable[[str], Awaitable[bytes]]
"""GETs a URL. Raises OctorouteError if there is no answer with status 200."""
Jwk: TypeAlias = Mapping[str, Any]

REFRESH_S = 600.0
"""Keys of this age are fetched again, in the background."""
STALE_S = 24 * 3600.0
"""Keys of this age are used no longer, even if the issuer is down: a key that was withdrawn must not live for ever."""
MIN_INTERVAL_S = 10.0
"""Fetches are at least so far apart, so that tokens with invented key ids cause no load."""
WAIT_S = 5.0
"""The longest that a request waits for keys."""
FETCH_S = 10.0
MAX_KEYS = 100
_KINDS = frozenset({"RSA", "EC", "OKP"})
"""Public keys only: a symmetric key that is published is no secret."""

log = structlog.stdlib.get_logger("octoroute.tokens")


class KeySet:
    def __init__(self, issuer: str, jwks_url: str, fetch: Fetch, clock: Callable[[], float]) -> None:
        """`jwks_url`: "" if the issuer's discovery document names it. `clock`: monotonic seconds."""
        self.issuer = issuer
        self._url = jwks_url
        self._fetch = fetch
        self._clock = clock
        self._keys: Sequence[Jwk] = ()
        self._fetched_at: float | None = None
        self._next_at = float("-inf")
        """When the next fetch may begin."""
        self._task: asyncio.Task[None] | None = None

    async def find(self, key_id: str | None) -> Sequence[Jwk]:
        """Return the keys of that id, or all if the token names none. Raises IdentityUnavailable."""
        now = self._clock()
        if self._fetched_at is not None and now - self._fetched_at > STALE_S:
            self._keys, self._fetched_at = (), None
        found = self._matching(key_id)
        if found:
            if self._fetched_at is None or now - self._fetched_at > REFRESH_S:
                self._begin(now)
            return found
        task = self._begin(now)
        if task is not None:
            await asyncio.wait([task], timeout=WAIT_S)
        if self._fetched_at is None:
            error = IdentityUnavailable(
                f"the keys of the token issuer {self.issuer} cannot be fetched; try again, or use an API key"
            )
            error.retry_after_s = MIN_INTERVAL_S
            raise error
        return self._matching(key_id)

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def _begin(self, now: float) -> asyncio.Task[None] | None:
        """The fetch under way, or a new one; None: it is too early for another."""
        if self._task is None and now >= self._next_at:
            self._next_at = now + MIN_INTERVAL_S
            self._task = asyncio.get_running_loop().create_task(self._refresh())
        return self._task

    async def _refresh(self) -> None:
        try:
            async with asyncio.timeout(FETCH_S):
                if not self._url:
                    self._url = (await discover(self.issuer, self._fetch)).jwks_uri
                self._keys = read_keys(await self._fetch(self._url))
            self._fetched_at = self._clock()
        except (OctorouteError, ValueError, TimeoutError) as error:
            why = error.message if isinstance(error, OctorouteError) else str(error) or "timeout"
            log.warning("the keys of a token issuer cannot be fetched", issuer=self.issuer, error=why, kept=len(self._keys))
        finally:
            self._task = None

    def _matching(self, key_id: str | None) -> Sequence[Jwk]:
        return [key for key in self._keys if key_id is None or key.get("kid") == key_id]


class KeySets:
    """The key sets of all issuers: a reload keeps what was fetched."""

    def __init__(self, fetch: Fetch, clock: Callable[[], float]) -> None:
        self._fetch = fetch
        self._clock = clock
        self._sets: dict[tuple[str, str], KeySet] = {}

    def of(self, issuer: str, jwks_url: str) -> KeySet:
        at = issuer, jwks_url
        if at not in self._sets:
            self._sets[at] = KeySet(*at, self._fetch, self._clock)
        return self._sets[at]

    async def close(self) -> None:
        for keys in self._sets.values():
            await keys.close()


class Discovery(msgspec.Struct, frozen=True, kw_only=True):
    """What is needed of an issuer's metadata (OpenID Connect Discovery 1.0)."""

    issuer: str
    jwks_uri: str
    authorization_endpoint: str = ""
    token_endpoint: str = ""
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic",)


async def discover(issuer: str, fetch: Fetch) -> Discovery:
    """Raises OctorouteError, and ValueError for a document that is not this issuer's."""
    try:
        found = msgspec.json.decode(await fetch(issuer.rstrip("/") + "/.well-known/openid-configuration"), type=Discovery)
    except msgspec.MsgspecError as error:
        raise ValueError(f"the discovery document is not valid: {error}") from None
    if found.issuer != issuer:
        raise ValueError(f"the discovery document is of the issuer {found.issuer[:200]!r}; write it exactly so")
    addresses = (found.jwks_uri, found.authorization_endpoint, found.token_endpoint)
    if issuer.startswith("https://") and any(url and urlsplit(url).scheme != "https" for url in addresses):
        raise ValueError("the discovery document names an address without https://")
    return found


def read_keys(body: bytes) -> Sequence[Jwk]:
    """The public keys for signatures. Raises ValueError."""
    try:
        found: object = json.loads(body)
    except RecursionError:
        raise ValueError("the key set is nested too deep") from None
    keys: object = cast("dict[str, object]", found).get("keys") if isinstance(found, dict) else None
    if not isinstance(keys, list):
        raise ValueError("the key set has no list `keys`")  # noqa: TRY004 - one error for every malformed document
    dictionaries = (cast("dict[str, Any]", key) for key in cast("list[object]", keys) if isinstance(key, dict))
    usable = [key for key in dictionaries if key.get("kty") in _KINDS and key.get("use", "sig") == "sig"]
    return usable[:MAX_KEYS]
