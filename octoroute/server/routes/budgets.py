"""GET /admin/budgets: what is used of the limits and budgets of keys, groups, users, models, providers, and tiers."""

from __future__ import annotations

from calendar import timegm
from collections.abc import Iterator

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from octoroute.access.account import WORDS
from octoroute.access.leases.base import LeaseBackendError
from octoroute.access.limits import MINUTE_S, MONEY, Holder, LimitSettings, Periods, Resource, limits_of, window_name
from octoroute.errors import StorageUnavailable
from octoroute.runtime.assembly import Runtime
from octoroute.server.guard import AccessRules
from octoroute.server.routes.json_response import json_response

MAX_WINDOWS = 1_000


class WindowUse(msgspec.Struct, frozen=True, kw_only=True):
    """One window of one holder; amounts are in micro-dollars where `is_money`."""

    holder: str
    """For people: kind and name."""
    kind: str
    name: str
    resource: Resource
    words: str
    """The limit, for people."""
    is_money: bool
    limit: int
    used: int
    held: int
    """For requests under way."""
    begins_at: float | None
    """Seconds since the epoch; None for what neither begins nor ends."""
    ends_at: float | None


class BudgetRoutes:
    def __init__(self, runtime: Runtime, rules: AccessRules) -> None:
        self._runtime = runtime
        self._rules = rules

    def routes(self) -> list[Route]:
        return [Route("/admin/budgets", self.budgets)]

    async def budgets(self, request: Request) -> Response:
        """The windows that are open now; the fullest first. Money is in micro-dollars. Raises StorageUnavailable."""
        keeper = self._runtime.gateway.settings.bookkeeper
        if keeper is None:
            return json_response({"at": self._runtime.wall(), "windows": [], "left_out": 0}, request)
        now = keeper.ledger.now()
        periods = Periods.of(now)
        wanted = {
            window_name(holder, resource, periods): (holder, resource, limit)
            for holder in self._holders(keeper.settings)
            for resource, limit in limits_of(holder.limits)
        }
        try:
            states = await keeper.ledger.read(list(wanted)[:MAX_WINDOWS])
        except LeaseBackendError as error:
            raise StorageUnavailable(f"the limits cannot be read now: {error}; [shared] url names their place") from error
        rows = [
            WindowUse(
                holder=holder.label,
                kind=holder.kind,
                name=holder.name,
                resource=resource,
                words=_limit_text(resource, limit),
                is_money=resource in MONEY,
                limit=limit,
                used=states[window].spent if window in states else 0,
                held=states[window].held if window in states else 0,
                begins_at=_begins_at(resource, periods),
                ends_at=None if resource is Resource.IN_FLIGHT else periods.of_resource(resource).ends_at,
            )
            for window, (holder, resource, limit) in list(wanted.items())[:MAX_WINDOWS]
        ]
        rows.sort(key=lambda row: -(row.used + row.held) / row.limit)
        return json_response({"at": now, "windows": rows, "left_out": max(0, len(wanted) - MAX_WINDOWS)}, request)

    def _holders(self, settings: LimitSettings) -> Iterator[Holder]:
        for key in self._rules.keys.known.values():  # two keys of one name during a rotation have the same windows
            if (limits := key.principal.limits) is not None:
                yield Holder("key", key.principal.budget_holder or key.principal.name, limits)
        for kind, named in (
            ("group", settings.groups),
            ("user", settings.users),
            ("model", settings.models),
            ("provider", settings.providers),
            ("tier", settings.tiers),
        ):
            for name, limits in named.items():
                yield Holder(kind, name, limits)
        if settings.everything:
            yield Holder("everything", "", settings.everything)


def _limit_text(resource: Resource, limit: int) -> str:
    return f"{limit / 1e6:g} {WORDS[resource]}" if resource in MONEY else f"{limit:,} {WORDS[resource]}"


def _begins_at(resource: Resource, periods: Periods) -> float | None:
    """When the window began that is open now: seconds since the epoch."""
    period = periods.of_resource(resource)
    match resource:
        case Resource.IN_FLIGHT:
            return None
        case Resource.MONTH:
            year, month = map(int, period.name.split("-"))
            return float(timegm((year, month, 1, 0, 0, 0)))
        case Resource.DAY:
            return period.ends_at - 86400
        case _:
            return period.ends_at - MINUTE_S
