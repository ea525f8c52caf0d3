"""What replicas tell each other through Redis or Valkey: a report of each, which lapses, and news, which all of them get once.

All keys have one hash tag. Nothing here is needed to answer a request.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from octoroute.errors import ConfigError
from octoroute.store.base import StoreUnavailable

PREFIX = "{octoroute}:replica"
NEWS = "{octoroute}:news"
LAPSE_MS = 3000
"""How long a report counts after its replica was heard of last."""
MAX_NEWS = 2000
"""Entries that are kept for replicas that start later."""
TIMEOUT_S = 1.0


class BoardState(msgspec.Struct, frozen=True):
    reports: Mapping[str, bytes]
    """Of the other replicas that live, by name."""
    news: Sequence[bytes]
    """What the others have told since the last exchange, the oldest first; in the first one, all that is kept."""


class RedisBoard:
    def __init__(self, url: str, replica: str) -> None:
        """`replica`: a name that no other process has. Raises ConfigError if the extra is not installed."""
        try:
            from redis import RedisError  # noqa: PLC0415 - an extra
            from redis.asyncio import Redis  # noqa: PLC0415
        except ImportError:
            raise ConfigError(['[shared] url: needs the package redis; run: pip install "octoroute[redis]"']) from None
        self._errors = (RedisError, OSError, TimeoutError)
        self._client: Any = Redis.from_url(  # pyright: ignore[reportUnknownMemberType] - untyped arguments
            url, socket_connect_timeout=TIMEOUT_S, socket_timeout=TIMEOUT_S
        )
        self._replica = replica
        self._others: list[str] = []
        self._last = b"0"
        """The id of the last entry of the news that was read."""

    async def exchange(self, report: bytes, news: bytes | None) -> BoardState:
        """Put up the report and the news, and read those of the others. Raises StoreUnavailable."""
        try:
            return await self._exchange(report, news)
        except self._errors as error:
            raise StoreUnavailable(f"{type(error).__name__}: {error}") from None

    async def _exchange(self, report: bytes, news: bytes | None) -> BoardState:
        asked = [*self._others]
        pipe = self._client.pipeline(transaction=False)
        pipe.set(f"{PREFIX}:{self._replica}", report, px=LAPSE_MS)
        pipe.sadd(f"{PREFIX}s", self._replica)
        pipe.smembers(f"{PREFIX}s")
        pipe.xread({NEWS: self._last}, count=MAX_NEWS)
        if asked:
            pipe.mget([f"{PREFIX}:{name}" for name in asked])
        if news is not None:
            pipe.xadd(NEWS, {"from": self._replica, "data": news}, maxlen=MAX_NEWS, approximate=True)
        _, _, members, streams, *rest = await pipe.execute()
        found = dict(zip(asked, rest[0], strict=True)) if asked else {}
        gone = [name for name, data in found.items() if data is None]
        if gone:
            await self._client.srem(f"{PREFIX}s", *gone)
        names = {member.decode() for member in members} - {self._replica}
        self._others = sorted(names.difference(gone))
        return BoardState({name: data for name, data in found.items() if data is not None}, self._read(streams))

    def _read(self, streams: list[tuple[bytes, list[tuple[bytes, dict[bytes, bytes]]]]]) -> list[bytes]:
        entries = streams[0][1] if streams else []
        if entries:
            self._last = entries[-1][0]
        mine = self._replica.encode()
        return [fields[b"data"] for _, fields in entries if fields[b"from"] != mine]

    async def close(self) -> None:
        """Leave, so that the others need not wait for the report to lapse. Raises nothing."""
        try:
            await self._client.delete(f"{PREFIX}:{self._replica}")
            await self._client.srem(f"{PREFIX}s", self._replica)
        except self._errors:
            pass
        finally:
            await self._client.aclose()
