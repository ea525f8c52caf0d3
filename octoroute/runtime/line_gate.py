"""When a line of a batch may be asked: few at once, within the operator's hours, and not while clients wait for an endpoint."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import NamedTuple

PAUSE_S = 1.0
"""Between two looks at the clock and the queue."""
_DAY_MINUTES = 1440


class BatchSettings(NamedTuple):
    concurrency: int
    """Lines at once in this process; 0: batches rest."""
    hours: tuple[int, int] | None
    """From the first up to before the second minute of the UTC day; the second may be the smaller one. None: always."""
    max_line_bytes: int
    retention_s: float


class LineGate:
    def __init__(self, settings: Callable[[], BatchSettings], is_busy: Callable[[], bool], wall: Callable[[], float]) -> None:
        """`is_busy`: clients wait for an endpoint. `wall`: seconds since the epoch."""
        self.settings = settings
        self._is_busy = is_busy
        self._wall = wall
        self._inside = 0
        self._left = asyncio.Event()

    async def enter(self, until: float) -> bool:
        """Wait for the turn; `leave` must follow. False: the time `until` has come before."""
        while self._wall() < until:
            if self._is_open():
                self._inside += 1
                return True
            self._left.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._left.wait(), PAUSE_S)
        return False

    def leave(self) -> None:
        self._inside -= 1
        self._left.set()

    def _is_open(self) -> bool:
        settings = self.settings()
        return self._inside < settings.concurrency and is_within(settings.hours, self._wall()) and not self._is_busy()


def is_within(hours: tuple[int, int] | None, now: float) -> bool:
    if hours is None:
        return True
    first, last = hours
    minute = int(now // 60) % _DAY_MINUTES
    return first <= minute < last if first < last else minute >= first or minute < last
