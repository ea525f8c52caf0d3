"""Limits and budgets of a running instance: from a configuration to the ledger, and to the holders' limits."""

from __future__ import annotations

import os
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any

from octoroute.access.account import Bookkeeper
from octoroute.access.leases.base import LeaseBackend
from octoroute.access.leases.lease import LeaseLedger, MemoryLedger
from octoroute.access.leases.ledger import Ledger
from octoroute.access.leases.postgresql import PostgresqlLeases
from octoroute.access.leases.redis import RedisLeases, connect
from octoroute.access.leases.sqlite import SqliteLeases
from octoroute.access.limits import LimitSettings
from octoroute.access.output_estimate import OutputEstimate
from octoroute.config.schema import Config
from octoroute.config.schema.limits import HolderTable
from octoroute.domain.ids import new_id
from octoroute.domain.price import to_micros
from octoroute.domain.principal import PrincipalLimits
from octoroute.telemetry.metrics import Metrics


class Budgets:
    """The ledger, which a reload keeps, and the bookkeeper of the present configuration."""

    def __init__(
        self,
        config: Config,
        *,
        start: Callable[[Callable[[], Coroutine[Any, Any, None]]], None],
        wall: Callable[[], float],
        metrics: Metrics,
    ) -> None:
        """`start` runs the exchanges with a shared backend in the background."""
        self.ledger = _ledger(config, start, wall)
        self._outputs = OutputEstimate()
        self._metrics = metrics

    def bookkeeper(self, config: Config) -> Bookkeeper:
        return Bookkeeper(self.ledger, limit_settings(config), self._outputs, self._count)

    def _count(self, holder: str, resource: str) -> None:
        self._metrics.count("octoroute_limit_refusals_total", holder, resource)

    @property
    def is_down(self) -> bool:
        """Whether limits and budgets are shared, and their backend cannot be reached."""
        return isinstance(self.ledger, Ledger) and self.ledger.state.is_down


def _ledger(
    config: Config, start: Callable[[Callable[[], Coroutine[Any, Any, None]]], None], wall: Callable[[], float]
) -> LeaseLedger:
    url = "" if config.shared.url is None else config.shared.url.reveal()
    if not url:
        return MemoryLedger(wall)
    backend: LeaseBackend
    match url.partition("://")[0]:
        case "sqlite":
            backend = SqliteLeases(Path(url.removeprefix("sqlite:///")), wall)
        case "postgresql" | "postgres":
            backend = PostgresqlLeases(url)
        case _:
            backend = RedisLeases(connect(url))
    return Ledger(backend, new_owner=lambda: f"{os.getpid()}-{new_id()}", start=start, wall=wall)


def limit_settings(config: Config) -> LimitSettings:
    limits, shared = config.file.limits, config.shared
    return LimitSettings(
        everything=limits_of(limits.everything),
        each_user=limits_of(limits.each_user),
        groups=_by_name(limits.groups),
        users=_by_name(limits.users),
        models=_by_name(limits.models),
        providers=_by_name(limits.providers),
        tiers=_by_name(limits.tiers),
        user_header=limits.user_header,
        pace_from=limits.pace_from,
        replicas=shared.replicas,
        rates_stay_open=shared.limits_if_down == "open",
        budgets_stay_open=shared.budgets_if_down == "open",
    )


def _by_name(holders: Mapping[str, HolderTable]) -> dict[str, PrincipalLimits]:
    return {name: limits for name, table in holders.items() if (limits := limits_of(table)) is not None}


def limits_of(table: HolderTable | None) -> PrincipalLimits | None:
    """None: the table sets no limit."""
    if table is None:
        return None
    spending = table.budget_usd
    limits = PrincipalLimits(
        requests_per_minute=table.requests_per_minute,
        tokens_per_minute=table.tokens_per_minute,
        max_in_flight=table.max_in_flight,
        budget_day_micros=0 if spending is None else to_micros(spending.day),
        budget_month_micros=0 if spending is None else to_micros(spending.month),
    )
    return limits or None
