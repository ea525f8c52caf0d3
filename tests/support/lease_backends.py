"""The backends of leases, as tests and their child processes make them from a word: KIND=PLACE."""

from __future__ import annotations

import time
from pathlib import Path

from octoroute.access.leases.base import Charge, LeaseBackend
from octoroute.access.leases.memory import MemoryLeases
from octoroute.access.leases.postgresql import PostgresqlLeases
from octoroute.access.leases.redis import RedisLeases, connect
from octoroute.access.leases.sqlite import SqliteLeases

FAR = 4_000_000_000.0


def make(word: str, *, owner_ttl_s: float = 10.0) -> LeaseBackend:
    kind, _, place = word.partition("=")
    match kind:
        case "sqlite":
            return SqliteLeases(Path(place), time.time, owner_ttl_s=owner_ttl_s)
        case "postgresql":
            return PostgresqlLeases(place, owner_ttl_s=owner_ttl_s)
        case "redis":
            return RedisLeases(connect(place), owner_ttl_s=owner_ttl_s)
        case _:
            return MemoryLeases(time.time, owner_ttl_s=owner_ttl_s)


def charge(window: str, amount: int, limit: int, **more) -> Charge:
    return Charge(window, amount, limit, FAR, **more)
