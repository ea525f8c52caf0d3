"""Budget pacing: the nearer a budget is to its end, the cheaper the tiers that requests for `auto` go to. Pure."""

from __future__ import annotations

from collections import OrderedDict

UNCHANGED = 0.5
"""The client's quality that leaves a router's thresholds as they are configured."""
MAX_WINDOWS = 20_000
"""Budgets whose state is remembered."""


class Pace:
    """How full budgets were when they were last asked. A process knows what its own requests were told; that is recent enough."""

    def __init__(self, starts_at: float) -> None:
        """`starts_at`: the share of a budget from which on requests are moved; 1: none is."""
        self._starts_at = starts_at
        self._used: OrderedDict[str, float] = OrderedDict()
        """By window, the used share."""

    @property
    def is_on(self) -> bool:
        return self._starts_at < 1.0

    def note(self, window: str, limit: int, left: int) -> None:
        self._used[window] = 1.0 - max(0, left) / limit
        self._used.move_to_end(window)
        while len(self._used) > MAX_WINDOWS:
            self._used.popitem(last=False)

    def quality(self, wanted: float | None, windows: list[str]) -> float | None:
        """Return the quality for a request whose client wants `wanted`: the same before `starts_at`, 0 at the end of a budget."""
        used = max((self._used.get(window, 0.0) for window in windows), default=0.0)
        if used <= self._starts_at:
            return wanted
        return (UNCHANGED if wanted is None else wanted) * (1.0 - used) / (1.0 - self._starts_at)
