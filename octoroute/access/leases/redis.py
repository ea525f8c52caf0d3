"""Leases in Redis or Valkey, shared by all replicas. A batch is one script, and the clock is the server's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import resources
from typing import TYPE_CHECKING, Any

import msgspec

from octoroute.access.leases.base import (
    KEEP_S,
    OWNER_TTL_S,
    BatchResult,
    LeaseBackendError,
    LeaseBatch,
    LeaseGrant,
    LeaseRefusal,
    WindowState,
    windows_of,
)
from octoroute.errors import ConfigError

if TYPE_CHECKING:
    from redis.asyncio import Redis

PREFIX = "{octoroute}:"
"""Of every key; what is in braces decides the place in a cluster."""
CONNECT_TIMEOUT_S = 1.0


def connect(url: str) -> Redis:
    """Raises ConfigError if the extra is not installed."""
    try:
        from redis.asyncio import Redis  # noqa: PLC0415 - an extra
    except ImportError:
        raise ConfigError(['[shared] url: needs the package redis; run: pip install "octoroute[redis]"']) from None
    client: Redis = Redis.from_url(  # pyright: ignore[reportUnknownMemberType] - untyped arguments
        url, socket_connect_timeout=CONNECT_TIMEOUT_S, socket_timeout=CONNECT_TIMEOUT_S, decode_responses=True
    )
    return client


class RedisLeases:
    name = "redis"

    def __init__(self, client: Redis, *, prefix: str = PREFIX, owner_ttl_s: float = OWNER_TTL_S) -> None:
        self._client: Any = client
        self._prefix = prefix
        self._owner_ttl_s = owner_ttl_s
        self._script: Any = client.register_script(
            (resources.files("octoroute.access.leases") / "redis_script.lua").read_text("utf-8")
        )

    async def exchange(self, batch: LeaseBatch) -> BatchResult:
        windows = windows_of(batch)
        places = {window: place for place, window in enumerate(windows, start=1)}
        body = {
            "owner": batch.owner,
            "sequence": batch.sequence,
            "prefix": self._prefix,
            "ttl_ms": round(self._owner_ttl_s * 1000),
            "keep_s": KEEP_S,
            "is_last": batch.is_last,
            "ends": [ends_at + KEEP_S for ends_at in windows.values()],
            "settlements": [(places[part.window], part.released, part.spent) for part in batch.settlements],
            "holds": [(places[charge.window], charge.amount) for charge in batch.holds],
            "reservations": [
                [(places[charge.window], charge.amount, charge.limit) for charge in charges] for charges in batch.reservations
            ],
        }
        keys = [f"{self._prefix}owners", f"{self._prefix}owner:{batch.owner}", f"{self._prefix}holds:{batch.owner}"]
        keys += [f"{self._prefix}window:{window}" for window in windows]
        reply = await self._call(self._script(keys=keys, args=[msgspec.json.encode(body)]))
        now = int(reply[1]) / 1000
        if reply[0] == 0:
            return BatchResult(verdicts=(), now=now)
        verdicts = [
            LeaseGrant(tuple(map(int, rest))) if is_granted else LeaseRefusal(charges[int(rest[0]) - 1], int(rest[1]))
            for (is_granted, *rest), charges in zip(reply[3], batch.reservations, strict=True)
        ]
        return BatchResult(verdicts=verdicts, now=now, has_expired=bool(reply[2]))

    async def read(self, windows: Sequence[str]) -> Mapping[str, WindowState]:
        """What owners that have expired held is left out, although it is removed by the next batch only."""
        seconds, micros = await self._call(self._client.time())
        alive = set(
            await self._call(self._client.zrangebyscore(f"{self._prefix}owners", seconds * 1000 + micros // 1000 + 1, "+inf"))
        )
        states: dict[str, WindowState] = {}
        for window in windows:
            fields: dict[str, str] = await self._call(self._client.hgetall(f"{self._prefix}window:{window}"))
            held = sum(int(amount) for name, amount in fields.items() if name.removeprefix("held:") in alive)
            states[window] = WindowState(int(fields.get("spent", 0)), held)
        return states

    async def close(self) -> None:
        await self._client.aclose()

    @staticmethod
    async def _call(reply: Any) -> Any:
        from redis.exceptions import RedisError  # noqa: PLC0415 - an extra

        try:
            return await reply
        except (TimeoutError, RedisError, OSError) as error:
            raise LeaseBackendError(f"{type(error).__name__}: {error}") from None
