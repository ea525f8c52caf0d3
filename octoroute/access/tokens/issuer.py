"""The settings of one token issuer, and what its claims make of a caller. Frozen; pure."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping
from typing import Any, cast

import msgspec

from octoroute.access.tokens.compact import UnverifiedToken, rejected
from octoroute.domain.principal import AccessRole, Principal, PrincipalLimits, Restrictions
from octoroute.errors import Unauthorized

MAX_NAME_CHARS = 128
MAX_GROUPS = 200
_ROLES = (AccessRole.ADMIN, AccessRole.OPERATOR, AccessRole.USER, AccessRole.VIEWER)
"""Of several roles the first counts."""


class Issuer(msgspec.Struct, frozen=True, kw_only=True):
    issuer: str
    """Exactly as the claim `iss` has it."""
    audience: tuple[str, ...]
    jwks_url: str = ""
    """"": found by discovery."""
    algorithms: tuple[str, ...]
    clock_skew_s: float = 60.0
    name_claim: str = "sub"
    name_prefix: str = ""
    role_claim: str = ""
    roles: tuple[tuple[str, AccessRole], ...] = ()
    """By value of the role claim; empty: the values are the names of the roles."""
    role: AccessRole = AccessRole.USER
    """Of a token whose claim names none."""
    groups_claim: str = "groups"
    budget_claim: str = ""
    tags: tuple[str, ...] = ()
    restrictions: Restrictions | None = None
    limits: PrincipalLimits | None = None

    @property
    def fingerprint(self) -> str:
        """Changes with every setting: what was granted by other settings is then granted no longer."""
        return hashlib.sha256(repr(self).encode()).hexdigest()[:32]

    @property
    def may_be_privileged(self) -> bool:
        """Whether a token of this issuer can have another role than user."""
        return bool(self.role_claim) or self.role is not AccessRole.USER

    def check_claims(self, token: UnverifiedToken, now: float, audience: tuple[str, ...] | None = None) -> float:
        """Return when the token expires, in seconds since the epoch, the skew included. Raises Unauthorized.

        `audience`: in place of the configured one.
        """
        claims = token.claims
        if token.issuer != self.issuer:
            raise rejected("it is of another issuer (iss)")
        if not set(_texts(claims.get("aud"))) & set(self.audience if audience is None else audience):
            raise rejected("it is for another audience (aud)")
        expires_at = _time(claims, "exp")
        if expires_at is None:
            raise rejected("it never expires (exp)")
        if expires_at + self.clock_skew_s <= now:
            raise expired()
        for name in ("nbf", "iat"):
            begins_at = _time(claims, name)
            if begins_at is not None and begins_at - self.clock_skew_s > now:
                raise rejected(f"it is not valid yet ({name})")
        return expires_at + self.clock_skew_s

    def principal(self, claims: Mapping[str, Any]) -> Principal:
        """Raises Unauthorized if the claims name no caller."""
        holder = self._word(claims, self.budget_claim) if self.budget_claim else ""
        groups = [group for group in _texts(claim(claims, self.groups_claim)) if _is_word(group)]
        return Principal(
            name=self._word(claims, self.name_claim),
            role=self._role(claims),
            groups=tuple(dict.fromkeys(groups))[:MAX_GROUPS],
            tags=self.tags,
            restrictions=self.restrictions,
            limits=self.limits,
            budget_holder=holder,
            is_listed=False,
        )

    def owner(self, claims: Mapping[str, Any]) -> str:
        """Who owns what the token's client stores: the subject at its issuer, else the name."""
        subject = claims.get("sub")
        name = subject if isinstance(subject, str) and subject else f"name:{self._word(claims, self.name_claim)}"
        digest = hashlib.sha256(f"{self.issuer}\0{name}".encode("utf-8", "replace")).hexdigest()
        return f"jwt:{digest}"

    def _word(self, claims: Mapping[str, Any], path: str) -> str:
        found = claim(claims, path)
        if not isinstance(found, str) or not _is_word(found):
            raise rejected(f"its claim {path} is no name of 1 to {MAX_NAME_CHARS} printable characters")
        return self.name_prefix + found

    def _role(self, claims: Mapping[str, Any]) -> AccessRole:
        values = set(_texts(claim(claims, self.role_claim))) if self.role_claim else set[str]()
        mapped = dict(self.roles) or {str(role): role for role in AccessRole}
        found = {mapped[value] for value in values if value in mapped}
        return next((role for role in _ROLES if role in found), self.role)


def expired() -> Unauthorized:
    return rejected("it has expired (exp); get a new one from its issuer")


def claim(claims: Mapping[str, Any], path: str) -> object:
    """The claim of that name, which may have full stops in it; else the one that the full stops lead to; None: there is none."""
    if path in claims:
        return claims[path]
    found: object = claims
    for name in path.split("."):
        if not isinstance(found, Mapping):
            return None
        found = cast("Mapping[str, object]", found).get(name)
    return found


def _texts(value: object) -> Iterator[str]:
    """A text, or the texts of a list."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        yield from (item for item in cast("list[object]", value) if isinstance(item, str))


def _is_word(text: str) -> bool:
    return 0 < len(text) <= MAX_NAME_CHARS and text.isprintable() and text == text.strip()


def _time(claims: Mapping[str, Any], name: str) -> float | None:
    """Seconds since the epoch (RFC 7519, NumericDate)."""
    value: object = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e12 or not math.isfinite(value):
        raise rejected(f"its claim {name} is no time")
    return float(value)
