"""What the log says of a store that is away: once that it is, and once that it is back, also if it comes and goes."""

from __future__ import annotations

from collections.abc import Callable

import structlog

log = structlog.stdlib.get_logger("octoroute.store")

QUIET_S = 60.0
"""After the store was back: if it is away again within this time, as on a disk that is nearly full, the log does not repeat it."""


class OutageLog:
    def __init__(self, store: str, clock: Callable[[], float]) -> None:
        self._store = store
        self._clock = clock
        self._is_away = False
        self._is_silent = False
        """The log does not have the present outage."""
        self._quiet_until = -QUIET_S
        self._has_rejected = False
        """An entry, and has accepted none since."""
        self.taken_in = 0
        """Entries from the spool, since the store was last there."""

    def away(self, problem: str, place: str) -> None:
        """`place`: where the history waits."""
        if self._is_away:
            return
        self._is_away = True
        self._is_silent = self._clock() < self._quiet_until
        if not self._is_silent:
            log.error("store unavailable: requests are answered, their history waits", problem=problem, place=place)

    def back(self) -> None:
        """All that waited is written."""
        entries, self.taken_in = self.taken_in, 0
        if not self._is_away and not entries:
            return
        if not self._is_away or not self._is_silent:
            log.info("store available: history written", store=self._store, entries=entries)
            self._quiet_until = self._clock() + QUIET_S
        self._is_away = False

    def rejected(self, request_id: str, problem: str) -> None:
        """The store is there, and cannot have this entry."""
        if not self._has_rejected:
            self._has_rejected = True
            log.error("a request is missing from the history", request_id=request_id, problem=problem)

    def accepted(self) -> None:
        self._has_rejected = False
