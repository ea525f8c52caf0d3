"""A lease as its process holds it, and the ledger of a process that shares no limits."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from math import inf
from typing import NamedTuple, Protocol

import msgspec

from octoroute.access.leases.base import Charge, LeaseBatch, LeaseGrant, LeaseRefusal, Settlement, WindowState
from octoroute.access.leases.memory import MemoryLeases
from octoroute.access.leases.recheck import Recheck


class BudgetLease:
    """Amounts that are reserved for one request or attempt; settled once."""

    __slots__ = ("charges", "is_held", "is_open", "left", "local")

    def __init__(self, charges: Sequence[Charge]) -> None:
        self.charges = charges
        self.left: Sequence[int] = ()
        """What was left in each window after the reservation."""
        self.is_held = False
        """The backend holds the amounts under the owner's present name."""
        self.is_open = True
        self.local: BudgetLease | None = None
        """The same within the local limits, if the backend was down."""


class PendingReservation:
    """A reservation on its way."""

    __slots__ = ("future", "lease")

    def __init__(self, lease: BudgetLease, future: asyncio.Future[LeaseGrant | LeaseRefusal]) -> None:
        self.lease = lease
        self.future = future


class BatchInFlight(NamedTuple):
    """A batch on its way, with the reservations that wait for it and the leases that it holds again."""

    batch: LeaseBatch
    waiters: Sequence[PendingReservation]
    held_again: Sequence[BudgetLease]
    advances: Sequence[Charge]
    """Amounts to be held in advance; their reservations come after those of the waiters."""


class LedgerState(msgspec.Struct):
    """What the ledger knows of its backend, and is known by."""

    owner: str
    sequence: int = 0
    is_down: bool = False
    failures: int = 0
    returns_at: float = 0.0
    """When amounts held in advance and not used are given back next."""
    near_returns_at: float = 0.0
    """The same, near a limit."""
    recheck: Recheck = msgspec.field(default_factory=Recheck)
    clock_offset_s: float = 0.0
    """The backend's clock minus ours."""


class LeaseLedger(Protocol):
    """What a process reserves and settles with."""

    @property
    def name(self) -> str: ...

    def now(self) -> float: ...

    async def reserve(self, charges: Sequence[Charge]) -> BudgetLease | LeaseRefusal: ...

    def settle(self, lease: BudgetLease, spent: Sequence[int]) -> None: ...

    async def read(self, windows: Sequence[str]) -> Mapping[str, WindowState]: ...

    async def close(self) -> None: ...


class MemoryLedger:
    """A ledger whose backend is the memory of its process: nothing waits, and nothing fails."""

    name = "memory"

    def __init__(self, wall: Callable[[], float]) -> None:
        self.now = wall
        self._backend = MemoryLeases(wall, owner_ttl_s=inf)
        self._sequence = 0

    async def reserve(self, charges: Sequence[Charge]) -> BudgetLease | LeaseRefusal:
        return self.reserve_now(charges)

    def reserve_now(self, charges: Sequence[Charge]) -> BudgetLease | LeaseRefusal:
        self._sequence += 1
        batch = LeaseBatch(owner="", sequence=self._sequence, reservations=(charges,))
        verdict = self._backend.exchange_now(batch).verdicts[0]
        if isinstance(verdict, LeaseRefusal):
            return verdict
        lease = BudgetLease(charges)
        lease.is_held = True
        lease.left = verdict.left
        return lease

    def settle(self, lease: BudgetLease, spent: Sequence[int]) -> None:
        if lease.is_open:
            lease.is_open = False
            self._sequence += 1
            self._backend.exchange_now(LeaseBatch(owner="", sequence=self._sequence, settlements=settlements_of(lease, spent)))

    async def read(self, windows: Sequence[str]) -> Mapping[str, WindowState]:
        return await self._backend.read(windows)

    async def close(self) -> None:
        """Nothing is open."""


def settlements_of(lease: BudgetLease, spent: Sequence[int]) -> list[Settlement]:
    return [
        Settlement(charge.window, charge.amount if lease.is_held else 0, amount, charge.ends_at)
        for charge, amount in zip(lease.charges, spent, strict=True)
    ]


def added_up(settled: Sequence[tuple[BudgetLease, Sequence[int]]]) -> list[tuple[BudgetLease, Sequence[int]]]:
    """One settlement for each window, so that those that wait for a backend stay few. Nothing of them is held."""
    sums: defaultdict[tuple[str, float], int] = defaultdict(int)
    for lease, spent in settled:
        for charge, amount in zip(lease.charges, spent, strict=True):
            sums[charge.window, charge.ends_at] += amount
    return [(BudgetLease([Charge(window, 0, 0, ends_at) for window, ends_at in sums]), tuple(sums.values()))]
