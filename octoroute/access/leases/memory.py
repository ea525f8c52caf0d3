"""Leases in the memory of one process."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

from octoroute.access.leases.base import KEEP_S, OWNER_TTL_S, BatchResult, LeaseBatch, WindowState, apply, windows_of

SWEEP_S = 60.0
"""How often windows that have ended are removed."""


class MemoryLeases:
    name = "memory"

    def __init__(self, wall: Callable[[], float], *, owner_ttl_s: float = OWNER_TTL_S) -> None:
        """`wall`: seconds since the epoch."""
        self._wall = wall
        self._owner_ttl_s = owner_ttl_s
        self._spent: dict[str, int] = {}
        self._ends_at: dict[str, float] = {}
        self._held: defaultdict[str, dict[str, int]] = defaultdict(dict)
        """By owner and window."""
        self._owners: dict[str, tuple[int, float]] = {}
        """Last sequence, and when its leases expire."""
        self._sweep_at = 0.0

    async def exchange(self, batch: LeaseBatch) -> BatchResult:
        return self.exchange_now(batch)

    def exchange_now(self, batch: LeaseBatch) -> BatchResult:
        now = self._wall()
        known = self._owners.get(batch.owner)
        if known is not None and batch.sequence <= known[0]:
            if batch.is_last:
                self._held.pop(batch.owner, None)
            return BatchResult(verdicts=(), now=now)
        has_expired = known is not None and known[1] <= now
        self._expire(now)
        self._owners[batch.owner] = (batch.sequence, now if batch.is_last else now + self._owner_ttl_s)
        windows = windows_of(batch)
        own = self._held[batch.owner]
        states = {window: self._state(window, own.get(window, 0)) for window in windows}
        verdicts = apply(batch, states)
        for window, state in states.items():
            self._spent[window] = state.spent
            self._ends_at[window] = windows[window]
            if state.own:
                own[window] = state.own
            else:
                own.pop(window, None)
        if batch.is_last:
            del self._held[batch.owner]
        return BatchResult(verdicts=verdicts, now=now, has_expired=has_expired)

    def _state(self, window: str, own: int) -> WindowState:
        held = sum(held.get(window, 0) for held in self._held.values()) if len(self._held) > 1 else own
        return WindowState(self._spent.get(window, 0), held, own)

    async def read(self, windows: Sequence[str]) -> Mapping[str, WindowState]:
        self._expire(self._wall())
        return {window: WindowState(self._spent.get(window, 0), self._total_held(window)) for window in windows}

    def _total_held(self, window: str) -> int:
        return sum(held.get(window, 0) for held in self._held.values())

    async def close(self) -> None:
        """Nothing is open."""

    def _expire(self, now: float) -> None:
        for owner, (_, expires_at) in list(self._owners.items()):
            if expires_at <= now:
                self._held.pop(owner, None)
                if expires_at <= now - KEEP_S:
                    del self._owners[owner]
        if now < self._sweep_at:
            return
        self._sweep_at = now + SWEEP_S
        for window in [window for window, ends_at in self._ends_at.items() if ends_at <= now - KEEP_S]:
            del self._ends_at[window]
            del self._spent[window]
