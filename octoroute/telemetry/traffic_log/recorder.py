"""The traffic log of an application: made from its configuration, changed by a reload, and ended with what it has written down."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

import structlog

from octoroute.domain.outcome import Outcome
from octoroute.telemetry.traffic_log.middleware import Route, TrafficMiddleware
from octoroute.telemetry.traffic_log.redaction import Redaction
from octoroute.telemetry.traffic_log.writer import TrafficLog, TrafficLogSettings

log = structlog.stdlib.get_logger("octoroute.traffic")

PATIENCE_S = 5.0
"""How long a slow disk may hold up the end of the process."""


class TrafficRecorder:
    def __init__(self, *, clock: Callable[[], float], wall: Callable[[], float], dropped: Callable[[int], None]) -> None:
        self._tap = TrafficMiddleware(wall)
        self._clock = clock
        self._wall = wall
        self._dropped = dropped
        self._log: TrafficLog | None = None

    @property
    def watcher(self) -> Callable[[Outcome], None] | None:
        """For the ledger; None while nothing is recorded."""
        return self._tap.settled if self._log else None

    def use(self, settings: TrafficLogSettings | None, redaction: Redaction) -> None:
        """From the next request on; None records nothing. What has been recorded so far is written first."""
        old = self._log
        self._log = self._tap.log = None if settings is None else self._made(settings, redaction)
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

    def _made(self, settings: TrafficLogSettings, redaction: Redaction) -> TrafficLog:
        return TrafficLog(settings, redaction, clock=self._clock, wall=self._wall, dropped=self._dropped)
