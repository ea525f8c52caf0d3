"""The traffic log of one application: created from its settings, replaced by a reload, and stopped after its last line."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

import structlog

from octoroute.telemetry.access_log import OutcomeCallback
from octoroute.telemetry.traffic_log.middleware import Route, TrafficMiddleware
from octoroute.telemetry.traffic_log.redaction import Redaction
from octoroute.telemetry.traffic_log.writer import TrafficLog, TrafficLogSettings

log = structlog.stdlib.get_logger("octoroute.traffic")

MAX_STOP_S = 5.0
"""How long stopping waits for a slow disk."""


class TrafficRecorder:
    def __init__(self, *, clock: Callable[[], float], wall: Callable[[], float], dropped: Callable[[int], None]) -> None:
        """`dropped` is called with the number of lost lines, from any thread."""
        self._middleware = TrafficMiddleware(wall)
        self._clock = clock
        self._wall = wall
        self._dropped = dropped
        self._log: TrafficLog | None = None

    @property
    def observer(self) -> OutcomeCallback | None:
        """For `OutcomeSink.observe`; None while the traffic log is off."""
        return self._middleware.on_outcome if self._log else None

    def use(self, settings: TrafficLogSettings | None, redaction: Redaction) -> None:
        """From the next request on; `settings` None: the log is off. Lines of the log before are written first."""
        old = self._log
        self._log = None if settings is None else self._new_log(settings, redaction)
        self._middleware.record_to(self._log)
        if self._log is not None:
            self._log.start(after=old)
        if old is not None:
            old.finish()

    def around(self, routes: Mapping[str, Route]) -> Mapping[str, Route]:
        """The routes themselves while the log is off, else wrapped ones."""
        if self._log is None:
            return routes
        return {path: self._middleware.around(route) for path, route in routes.items()}

    async def stop(self) -> None:
        last, self._log = self._log, None
        self._middleware.record_to(None)
        if last is None:
            return
        last.finish()
        if not await asyncio.to_thread(last.join, MAX_STOP_S):
            log.error("the traffic log's disk is too slow, what waits is lost", bytes=last.pending_bytes)

    def _new_log(self, settings: TrafficLogSettings, redaction: Redaction) -> TrafficLog:
        return TrafficLog(settings, redaction, clock=self._clock, wall=self._wall, dropped=self._dropped)
