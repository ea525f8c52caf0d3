"""Limits and budgets of a running instance: from a configuration to the ledger, and to the holders' limits."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Coroutine, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import structlog

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

log = structlog.stdlib.get_logger("octoroute.limits")


class Budgets:
    """The ledger, which a reload keeps, and the bookkeeper of the present configuration."""

    def __init__(
        self,
        config: Config,
        *,
        start: Callable[[Callable[[], Coroutine[Any, Any, None]]], None],
        wall: Callable[[], float],
        metrics: Metrics,
        file: Path | None = None,
    ) -> None:
        """`start` runs the exchanges with a shared backend in the background. `file`: of SQLite, if no `shared.url` is set."""
        self.ledger = _ledger(config, start, wall, file)
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
    config: Config,
    start: Callable[[Callable[[], Coroutine[Any, Any, None]]], None],
    wall: Callable[[], float],
    file: Path | None,
) -> LeaseLedger:
    url = "" if config.shared.url is None else config.shared.url.reveal()
    if not url and file is None:
        return MemoryLedger(wall)
    backend: LeaseBackend
    match url.partition("://")[0]:
        case "sqlite" | "":
            backend = SqliteLeases(file if file and not url else Path(url.removeprefix("sqlite:///")), wall)
        case "postgresql" | "postgres":
            backend = PostgresqlLeases(url)
        case _:
            backend = RedisLeases(connect(url))
    return Ledger(backend, new_owner=lambda: f"{os.getpid()}-{new_id()}", start=start, wall=wall)


@contextmanager
def file_of_workers(config: Config, state_directory: Path | None) -> Generator[Path]:
    """Make the file in which the workers of one gateway share their limits without `shared.url`, for as long as the parent lives.

    It is one of the state directory, by port, because two gateways of a user have budgets of their own. Without a fixed port, or a
    directory that can be written, it is a temporary one, and a restart forgets it.
    """
    with tempfile.TemporaryDirectory(prefix="octoroute-") as temporary:
        yield _file_of_port(config.server.port, state_directory) or Path(temporary, "limits.db")


def _file_of_port(port: int, state_directory: Path | None) -> Path | None:
    if not port or state_directory is None:
        return None
    file = state_directory / f"limits-{port}.db"
    try:
        state_directory.mkdir(parents=True, exist_ok=True)
        os.close(os.open(file, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        log.warning("limits are kept until the next start only: the state directory cannot be written", error=error.strerror)
        return None
    return file


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
        replicas=shared.replicas if shared.url else max(shared.replicas, config.server.workers),
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
