"""The keys that the gateway knows, by digest: from the configuration, and from the key store. It holds no text of a key.

A key is looked up by its SHA-256, which a client cannot steer, so that the time of a look-up tells nothing about a key.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import msgspec

from octoroute.access.credentials import digest_of, offered_keys
from octoroute.access.permissions import PRIVILEGED, ROLES, Permission, roles_with
from octoroute.access.tokens.issuer import expired
from octoroute.domain.principal import Principal
from octoroute.errors import Forbidden, StorageUnavailable, Unauthorized


class KnownKey(msgspec.Struct, frozen=True, kw_only=True):
    digest: bytes
    """SHA-256 of the key."""
    principal: Principal
    owner: str
    """Who owns what the key's clients store: it stays the same when the key is rotated."""
    expires_at: float | None = None
    """Seconds since the epoch; None: it does not expire."""
    granted_by: str = ""
    """`Issuer.fingerprint` of a token's issuer; "": it is a key."""


class KeyRegistry:
    """Answers whose key a request offers. Names are for logs; a request is judged by the principal."""

    def __init__(self, configured: Iterable[KnownKey], *, required: bool, wall: Callable[[], float]) -> None:
        """`required`: a request without a valid key is refused. `wall`: seconds since the epoch."""
        self._configured: dict[bytes, KnownKey] = {}
        for key in configured:
            self._configured.setdefault(key.digest, key)
        self._required = required
        self._wall = wall
        self._known: Mapping[bytes, KnownKey] = {}
        self._tokens: Mapping[bytes, KnownKey] = {}
        self._issuers: frozenset[str] = frozenset()
        self._may_be_privileged = False
        """A token of some issuer may have a role that watches or more."""
        self.use_stored((), any_made=False)

    def use_stored(self, stored: Iterable[KnownKey], *, any_made: bool, unread: bool = False) -> None:
        """Replace the keys of the store. `any_made`: the store has had a key, so that keys are required even if all are revoked.

        `unread`: it could not be read yet, so that it is not known whether keys are required; the gateway does not open then.

        The configuration's keys come first.
        """
        self._known = {**{key.digest: key for key in stored}, **self._configured}
        self._is_unread = unread
        self.is_required = self._required or any_made or unread
        """Whether a request without a valid key is refused."""
        self._has_privileged = any(PRIVILEGED & ROLES[key.principal.role] for key in self._known.values())
        self._names = frozenset(key.principal.name for key in self._known.values())

    def use_tokens(self, tokens: Mapping[bytes, KnownKey], issuers: frozenset[str], *, may_be_privileged: bool) -> None:
        """Tokens that were verified count as keys, as long as they are in this mapping. `issuers`: what may be in `granted_by`."""
        self._tokens = tokens
        self._issuers = issuers
        self._may_be_privileged = may_be_privileged

    def check(self, headers: Mapping[str, str]) -> Principal | None:
        """Return the client whose key the headers hold; None if keys are not required and none matches.

        Raises Unauthorized, and StorageUnavailable for a key that a store may have which could not be read yet.
        """
        if not self._known and not self.is_required:
            return None
        key = self.find(headers)
        if key is None:
            if not self.is_required:
                return None
            if self._is_unread:
                raise StorageUnavailable("the key store cannot be read, so that keys cannot be checked; keys of [auth] are valid")
            if not offered_keys(headers):
                raise Unauthorized("the API key is missing; send `Authorization: Bearer KEY` or `x-api-key: KEY`")
            raise Unauthorized("invalid API key")
        if key.expires_at is not None and key.expires_at <= self._wall():
            if key.granted_by:
                raise expired()
            raise Unauthorized(f"the API key {key.principal.name!r} has expired; ask the gateway's operator for a new one")
        return key.principal

    def authorize(self, principal: Principal | None, permission: Permission) -> None:
        """Raises Forbidden if the role does not grant the permission, and Unauthorized if a key is needed and there is none."""
        if permission in PRIVILEGED and not (self._has_privileged or self._may_be_privileged):
            raise Forbidden(
                'the admin routes are disabled; set [auth] admin_keys = ["${OCTOROUTE_ADMIN_KEY}"], or a client with a role'
            )
        if principal is None:
            if permission in PRIVILEGED:
                raise Unauthorized("an admin key is required; send `Authorization: Bearer KEY` or `x-api-key: KEY`")
            return
        if permission not in ROLES[principal.role]:
            roles = " or ".join(dict.fromkeys(roles_with(permission)))
            raise Forbidden(f"this is a client key of the role {principal.role}; this route requires the role {roles}")

    @property
    def known(self) -> Mapping[bytes, KnownKey]:
        """The keys by digest: another object after every change."""
        return self._known

    def name(self, headers: Mapping[str, str]) -> str:
        """Return the name of the key that the headers hold, valid or expired; "" if it is not known."""
        found = self.find(headers)
        return "" if found is None else found.principal.name

    def owner(self, headers: Mapping[str, str]) -> str:
        """Return the owner of what the client stores; "" if no key is required. Raises Unauthorized: no owner is no one's."""
        if not self.is_required:
            return ""
        found = self.find(headers)
        if found is None:
            raise Unauthorized("the API key is not valid any more")
        return found.owner

    def without_own(self, headers: Mapping[str, str]) -> Mapping[str, str]:
        """Return the headers without those that hold a key of the gateway: it must not be forwarded to a vendor."""
        return {name: value for name, value in headers.items() if self.find({name: value}) is None}

    def find(self, headers: Mapping[str, str]) -> KnownKey | None:
        """Return the key that the headers hold, valid or expired; None: it is not known."""
        known, tokens = self._known, self._tokens
        for key in offered_keys(headers):
            digest = digest_of(key)
            if (found := known.get(digest)) is not None or (found := tokens.get(digest)) is not None:
                return found
        return None

    def principal_of(self, name: str, owner: str) -> Principal | None:
        """The principal of a valid key of that name and owner ("": of any); None: there is none."""
        now = self._wall()
        for key in self._known.values():
            is_valid = key.expires_at is None or key.expires_at > now
            if key.principal.name == name and is_valid and owner in {"", key.owner}:
                return key.principal
        return None

    def knows(self, digest: bytes) -> bool:
        """Whether it is the digest of a key."""
        return digest in self._known

    def has_issuer(self, fingerprint: str) -> bool:
        """Whether tokens are still judged by the settings of that `Issuer.fingerprint`."""
        return fingerprint in self._issuers

    def has_name(self, name: str) -> bool:
        """Whether it is the name of a key: logs and budgets tell callers by their names."""
        return name in self._names
