"""The traffic log of an application: made from its configuration, changed by a reload, and ended with what it has written down."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import structlog

from octoroute.config.schema import Config
from octoroute.traffic.redaction import SECRET_NAMES, Redaction
from octoroute.traffic.tap import Route, Tap
from octoroute.traffic.writer import Settings, TrafficLog
from octoroute.types import Outcome

log = structlog.stdlib.get_logger("octoroute.traffic")

PATIENCE_S = 5.0
"""How long a slow disk may hold up the end of the process."""


class Recorder:
    def __init__(self, *, clock: Callable[[], float], wall: Callable[[], float], dropped: Callable[[int], None]) -> None:
        self._tap = Tap(wall)
        self._clock = clock
        self._wall = wall
        self._dropped = dropped
        self._log: TrafficLog | None = None

    @property
    def watcher(self) -> Callable[[Outcome], None] | None:
        """For the ledger; None while nothing is recorded."""
        return self._tap.settled if self._log else None

    def use(self, config: Config) -> None:
        """From the next request on. What has been recorded so far is written first."""
        old = self._log
        self._log = self._tap.log = self._made(config)
        if self._log is not None:
            self._log.start(after=old)
        if old is not None:
            old.finish()

    def around(self, routes: Mapping[str, Route]) -> Mapping[str, Route]:
        """The same routes, untouched while nothing is recorded."""
        if self._log is None:
            return routes
        return {path: self._tap.around(route) for path, route in routes.items()}

    async def stop(self) -> None:
        last, self._log, self._tap.log = self._log, None, None
        if last is None:
            return
        last.finish()
        if not await asyncio.to_thread(last.join, PATIENCE_S):
            log.error("the traffic log's disk is too slow, what waits is lost", bytes=last.waiting_bytes)

    def _made(self, config: Config) -> TrafficLog | None:
        traffic, rotation = config.logging.traffic, config.logging.rotation
        if not traffic.enabled:
            return None
        settings = Settings(
            directory=Path(traffic.directory),
            name=traffic.name,
            max_body_bytes=traffic.max_body_bytes,
            queue_bytes=traffic.queue_bytes,
            rotate=rotation.enabled,
            max_size_bytes=int(rotation.max_size_mb * 1024 * 1024),
            compress=rotation.compression,
            compress_immediately=rotation.compress_immediately,
            keep=rotation.max_backups,
            max_age_s=rotation.max_age_days * 86400,
            sweep_every_s=rotation.cleanup_interval_hours * 3600,
        )
        redaction = Redaction(_secrets(config), traffic.redact)
        return TrafficLog(settings, redaction, clock=self._clock, wall=self._wall, dropped=self._dropped)


def _secrets(config: Config) -> Iterator[str]:
    for key in (*config.auth.keys, *config.auth.admin_keys):
        yield key.reveal()
    for endpoint in (*config.endpoints, *config.embedding):
        if endpoint.api_key is not None:
            yield endpoint.api_key.reveal()
        yield from (value for name, value in endpoint.headers if SECRET_NAMES.search(name))
