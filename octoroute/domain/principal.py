"""The principal: who sends a request, by key or token, and what it may ask for and spend. Frozen; it holds no secret.

`access` makes principals; every other package only reads them.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec


class AccessRole(StrEnum):
    """What a principal may do: the table `access.permissions.ROLES`."""

    VIEWER = "viewer"
    USER = "user"
    OPERATOR = "operator"
    ADMIN = "admin"


class Restrictions(msgspec.Struct, frozen=True, kw_only=True):
    """What requests of a principal may ask for and be sent to; an empty field allows everything. Hashable."""

    tiers: frozenset[str] = frozenset()
    """Names of tiers."""
    models: tuple[str, ...] = ()
    """Names that clients ask for, or globs: `NAME`, `PROVIDER/NAME`."""
    providers: frozenset[str] = frozenset()
    """Names of providers."""
    regions: frozenset[str] = frozenset()
    """Regions of endpoints; `eu` allows `eu-west-1`, too."""
    privacy: frozenset[str] = frozenset()
    """Privacy classes, all of which an endpoint must be in."""

    def __bool__(self) -> bool:
        return bool(self.tiers or self.models or self.providers or self.regions or self.privacy)


class PrincipalLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What a principal may use; 0: no limit. Money is in micro-dollars."""

    requests_per_minute: int = 0
    tokens_per_minute: int = 0
    max_in_flight: int = 0
    budget_day_micros: int = 0
    budget_month_micros: int = 0

    def __bool__(self) -> bool:
        return any(msgspec.structs.astuple(self))


class Principal(msgspec.Struct, frozen=True, kw_only=True):
    """One client, as logs, metrics, and history name it. Made once for each key or token, and shared by its requests."""

    name: str
    """Unique among the keys that are known; never a part of a key's text."""
    role: AccessRole = AccessRole.USER
    groups: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    """Labels for reports, with no meaning for the gateway."""
    restrictions: Restrictions | None = None
    """None: it may ask for everything."""
    limits: PrincipalLimits | None = None
    """None: no limit."""
    budget_holder: str = ""
    """The name whose budget its requests use; "": its own name."""
    is_listed: bool = True
    """Its name is one of a bounded set (configuration, key store), and may be a metric label; a token's name is not."""
