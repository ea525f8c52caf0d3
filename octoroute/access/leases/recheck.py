"""Whether a reservation that was refused is asked for again: other processes may hold in advance what they do not use.

They give that back within DELAY_S. A window that was refused twice is exhausted, and refuses at once for EXHAUSTED_S.
"""

from __future__ import annotations

from octoroute.access.leases.base import LeaseRefusal

DELAY_S = 0.25
EXHAUSTED_S = 1.0
MAX_WINDOWS = 1000
"""Exhausted windows that are remembered; with more of them some are asked again too often."""


class Recheck:
    def __init__(self) -> None:
        self._exhausted_at: dict[str, float] = {}

    def is_due(self, refusal: LeaseRefusal, now: float) -> bool:
        """Whether to ask again after DELAY_S. `now`: any clock in seconds."""
        charge = refusal.charge
        return charge.amount <= charge.limit and now - self._exhausted_at.get(charge.window, now - EXHAUSTED_S) >= EXHAUSTED_S

    def failed(self, refusal: LeaseRefusal, now: float) -> None:
        """It was refused again."""
        if len(self._exhausted_at) >= MAX_WINDOWS:
            self._exhausted_at.clear()
        self._exhausted_at[refusal.charge.window] = now
