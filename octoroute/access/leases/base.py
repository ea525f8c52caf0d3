"""The contract of leases: reserve, settle, expire; and its one rule, as a pure function.

A window has a limit, what was `spent` in it, and what is `held` for requests under way. A reservation is granted if
`spent + held + amount <= limit` in each of its windows, and then all its amounts are held; otherwise none is. A settlement puts
what was used in the place of what was held, be it more or less, and counts however late it comes. Amounts are held in the name of
an owner, which is one process. An owner that was not heard of for OWNER_TTL_S loses what it holds, not what it has settled.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

import msgspec

OWNER_TTL_S = 10.0
"""How long an owner's leases outlive its last exchange with the backend."""
KEEP_S = 86400.0
"""How long a window is kept after its end, for late settlements; and an owner after its last exchange, for repeated ones."""


class Charge(NamedTuple):
    """An amount in one window."""

    window: str
    """Unique name of holder, resource, and period."""
    amount: int
    limit: int
    ends_at: float
    """Seconds since the epoch; after it nothing is reserved in the window any more."""
    local_limit: int = 0
    """The limit while the backend cannot be reached, for this process alone; 0: nothing is admitted then."""


class Settlement(NamedTuple):
    """What one window gets back, and what was spent of it."""

    window: str
    released: int
    spent: int
    ends_at: float


class LeaseRefusal(NamedTuple):
    """The window that a reservation does not fit, and what is left in it: negative if more was used than reserved."""

    charge: Charge
    left: int


class LeaseGrant(NamedTuple):
    """What is left in each window of a reservation, after it."""

    left: tuple[int, ...]


class LeaseBatch(msgspec.Struct, frozen=True, kw_only=True):
    """One batch of an owner: settlements, then reservations. A backend applies it once, as one transaction."""

    owner: str
    sequence: int
    """Counts the owner's batches from 1. A backend applies nothing but `is_last` of a batch whose number it has seen."""
    settlements: Sequence[Settlement] = ()
    holds: Sequence[Charge] = ()
    """Held without a check: leases that were granted under an earlier name of the owner."""
    reservations: Sequence[Sequence[Charge]] = ()
    is_last: bool = False
    """The owner leaves: after this batch nothing is held in its name."""


class BatchResult(msgspec.Struct, frozen=True, kw_only=True):
    verdicts: Sequence[LeaseGrant | LeaseRefusal]
    """Of the reservations, in their order; empty if the batch had been applied before."""
    now: float
    """The backend's clock, seconds since the epoch."""
    has_expired: bool = False
    """The owner was not heard of for too long: what it held before this batch is released."""


class WindowState(msgspec.Struct):
    spent: int = 0
    held: int = 0
    """By all owners, the own one included."""
    own: int = 0
    """Of `held`, by the owner of the batch."""


class LeaseBackend(Protocol):
    """Where windows are kept. Raises LeaseBackendError when it cannot be reached; whether the batch was applied is then unknown."""

    name: str

    async def exchange(self, batch: LeaseBatch) -> BatchResult: ...

    async def read(self, windows: Sequence[str]) -> Mapping[str, WindowState]: ...

    async def close(self) -> None: ...


class LeaseBackendError(Exception):
    """The backend cannot be reached, or does not answer in time."""


def apply(batch: LeaseBatch, states: Mapping[str, WindowState]) -> list[LeaseGrant | LeaseRefusal]:
    """Apply a batch to the states of all its windows. Pure but for `states`, which it changes."""
    for settlement in batch.settlements:
        state = states[settlement.window]
        released = min(settlement.released, state.own)
        state.own -= released
        state.held -= released
        state.spent += settlement.spent
    for charge in batch.holds:
        _hold(states[charge.window], charge.amount)
    return [_reserve(charges, states) for charges in batch.reservations]


def _reserve(charges: Sequence[Charge], states: Mapping[str, WindowState]) -> LeaseGrant | LeaseRefusal:
    for charge in charges:
        state = states[charge.window]
        left = charge.limit - state.spent - state.held
        if charge.amount > left:
            return LeaseRefusal(charge, left)
    for charge in charges:
        _hold(states[charge.window], charge.amount)
    return LeaseGrant(tuple(charge.limit - states[charge.window].spent - states[charge.window].held for charge in charges))


def _hold(state: WindowState, amount: int) -> None:
    state.own += amount
    state.held += amount


def windows_of(batch: LeaseBatch) -> dict[str, float]:
    """The end of each window of a batch, by name; sorted, so that concurrent transactions meet them in one order."""
    found = {settlement.window: settlement.ends_at for settlement in batch.settlements}
    found |= {charge.window: charge.ends_at for charge in _charges(batch)}
    return dict(sorted(found.items()))


def _charges(batch: LeaseBatch) -> Iterable[Charge]:
    yield from batch.holds
    for charges in batch.reservations:
        yield from charges
