"""Limits: whose they are, over which windows, and what a request takes from each. Pure.

A holder is a key, a group, an end user, a model, a provider, a tier, or everything together. A key, a group, a user, and everything
count a request once; a model, a provider, and a tier count each attempt. Money is counted by attempt for all of
them. Minutes, days, and months are those of UTC.
"""

from __future__ import annotations

import time
from calendar import timegm
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

import msgspec

from octoroute.access.leases.base import Charge
from octoroute.dialects.request.identity import user_of
from octoroute.domain.endpoint import Endpoint
from octoroute.domain.principal import PrincipalLimits
from octoroute.domain.request import Request

MINUTE_S = 60
IN_FLIGHT_ENDS_AT = 4_000_000_000.0
"""The window of requests in flight never ends."""
MAX_NAME_LENGTH = 128
MAX_USERS = 10_000
"""End users that a process counts apart; further ones share the limits of one, OTHER_USERS."""
OTHER_USERS = "(others)"


class Resource(StrEnum):
    """What a window counts."""

    REQUESTS = "requests"
    """Requests in a minute."""
    TOKENS = "tokens"
    """Tokens in a minute."""
    IN_FLIGHT = "in_flight"
    DAY = "day"
    """Micro-dollars in a day."""
    MONTH = "month"
    """Micro-dollars in a month."""


MONEY = frozenset({Resource.DAY, Resource.MONTH})


class Holder(NamedTuple):
    """What has limits of its own."""

    kind: str
    """key, group, user, model, provider, tier, everything."""
    name: str
    limits: PrincipalLimits

    @property
    def label(self) -> str:
        return f"{self.kind} {self.name!r}" if self.name else self.kind


class LimitSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The limits that the configuration sets beside those of keys."""

    everything: PrincipalLimits | None = None
    each_user: PrincipalLimits | None = None
    """Of each end user that has no limits of its own."""
    groups: Mapping[str, PrincipalLimits] = {}
    users: Mapping[str, PrincipalLimits] = {}
    models: Mapping[str, PrincipalLimits] = {}
    providers: Mapping[str, PrincipalLimits] = {}
    tiers: Mapping[str, PrincipalLimits] = {}
    user_header: str = ""
    """Names the end user, before the field of the body; "": the field only."""
    pace_from: float = 1.0
    """The share of a budget from which on cheaper tiers are preferred; 1: never."""
    replicas: int = 1
    """Among which a limit is shared while the backend is down."""
    rates_stay_open: bool = True
    """While the backend is down, requests, tokens, and requests in flight are admitted within the local share."""
    budgets_stay_open: bool = False

    @property
    def of_endpoints(self) -> bool:
        return bool(self.models or self.providers or self.tiers)

    @property
    def is_on(self) -> bool:
        """Whether there is a limit beside those of keys."""
        return bool(self.everything or self.groups or self.of_users or self.of_endpoints)

    @property
    def of_users(self) -> bool:
        return bool(self.users or self.each_user)

    def local_limit(self, resource: Resource, limit: int) -> int:
        """Return the limit of this process while the backend is down."""
        stays_open = self.budgets_stay_open if resource in MONEY else self.rates_stay_open
        return max(1, limit // self.replicas) if stays_open else 0


class Holders:
    """Whose limits a request is subject to. It remembers the end users that it has seen, of which a client may name any number."""

    def __init__(self, settings: LimitSettings) -> None:
        self.settings = settings
        self._users: set[str] = set()

    def of_caller(self, request: Request) -> list[Holder]:
        settings, principal = self.settings, request.principal
        found: list[Holder] = []
        if principal is not None:
            if principal.limits:
                found.append(Holder("key", principal.budget_holder or principal.name, principal.limits))
            found += [Holder("group", name, settings.groups[name]) for name in principal.groups if settings.groups.get(name)]
        if settings.of_users and (user := self._user(request)):
            limits = settings.users.get(user) or settings.each_user
            if limits:
                found.append(Holder("user", user, limits))
        if settings.everything:
            found.append(Holder("everything", "", settings.everything))
        return found

    def _user(self, request: Request) -> str | None:
        header = self.settings.user_header
        name = (request.headers.get(header) if header else None) or user_of(request)
        if not name:
            return None
        name = name[:MAX_NAME_LENGTH]
        if name in self.settings.users or name in self._users:
            return name
        if len(self._users) >= MAX_USERS:
            return OTHER_USERS
        self._users.add(name)
        return name

    def of_endpoint(self, endpoint: Endpoint) -> list[Holder]:
        settings = self.settings
        if not settings.of_endpoints:
            return []
        named = (
            ("model", endpoint.name, settings.models),
            ("provider", endpoint.provider, settings.providers),
            ("tier", endpoint.tier.value, settings.tiers),
        )
        return [Holder(kind, name, limits[name]) for kind, name, limits in named if limits.get(name)]


class Portion(NamedTuple):
    """What a request takes from one window."""

    holder: Holder
    resource: Resource
    charge: Charge


class Period(NamedTuple):
    """A stretch of time that windows count in: its name within them, and its end in seconds since the epoch."""

    name: str
    ends_at: float


class Periods(NamedTuple):
    """The minute, day, and month of a moment."""

    minute: Period
    day: Period
    month: Period

    @classmethod
    def of(cls, now: float) -> Periods:
        """`now`: seconds since the epoch."""
        minute, date = int(now) // MINUTE_S, time.gmtime(now)
        year, month = (date.tm_year + 1, 1) if date.tm_mon == 12 else (date.tm_year, date.tm_mon + 1)
        return cls(
            Period(str(minute), (minute + 1) * MINUTE_S),
            Period(time.strftime("%Y-%m-%d", date), float(timegm((*date[:3], 0, 0, 0)) + 86400)),
            Period(time.strftime("%Y-%m", date), float(timegm((year, month, 1, 0, 0, 0)))),
        )

    def of_resource(self, resource: Resource) -> Period:
        match resource:
            case Resource.DAY:
                return self.day
            case Resource.MONTH:
                return self.month
            case Resource.IN_FLIGHT:
                return Period("", IN_FLIGHT_ENDS_AT)
            case _:
                return self.minute


def portions(
    holders: Sequence[Holder], amounts: Mapping[Resource, int], periods: Periods, settings: LimitSettings
) -> Iterator[Portion]:
    """Yield what a request with these amounts takes from the holders' windows; resources that are not in `amounts` are left out.

    More tokens than a minute has are as many as a minute has: such a request needs the whole minute.
    """
    for holder in holders:
        for resource, limit in limits_of(holder.limits):
            amount = amounts.get(resource)
            if amount is None:
                continue
            if resource is Resource.TOKENS:
                amount = min(amount, limit)
            charge = Charge(
                window_name(holder, resource, periods),
                amount,
                limit,
                periods.of_resource(resource).ends_at,
                settings.local_limit(resource, limit),
            )
            yield Portion(holder, resource, charge)


def window_name(holder: Holder, resource: Resource, periods: Periods) -> str:
    return f"{holder.kind}:{holder.name}|{resource.value}|{periods.of_resource(resource).name}"


def limits_of(limits: PrincipalLimits) -> Iterator[tuple[Resource, int]]:
    """Yield the limits that are set."""
    for resource, limit in (
        (Resource.REQUESTS, limits.requests_per_minute),
        (Resource.TOKENS, limits.tokens_per_minute),
        (Resource.IN_FLIGHT, limits.max_in_flight),
        (Resource.DAY, limits.budget_day_micros),
        (Resource.MONTH, limits.budget_month_micros),
    ):
        if limit:
            yield resource, limit
