"""The ledger of one process: its open leases, and the batches that it exchanges with a backend.

Requests reserve and settle while an exchange is under way; the next exchange takes all of them together. An exchange that fails
may have been applied or not. Its settlements are sent again under the same number until one attempt succeeds, so that each counts
once. The process goes on under a new owner's name, in which its open leases are held again.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

import msgspec
import structlog

from octoroute.access.leases.allotment import Allotment
from octoroute.access.leases.base import (
    OWNER_TTL_S,
    BatchResult,
    Charge,
    LeaseBackend,
    LeaseBackendError,
    LeaseBatch,
    LeaseGrant,
    LeaseRefusal,
    WindowState,
)
from octoroute.access.leases.lease import (
    BatchInFlight,
    BudgetLease,
    LedgerState,
    MemoryLedger,
    PendingReservation,
    added_up,
    settlements_of,
)
from octoroute.access.leases.recheck import DELAY_S

log = structlog.stdlib.get_logger("octoroute.leases")

RENEWAL_S = OWNER_TTL_S / 4
"""How often an owner without anything to exchange says that it lives."""
NEAR_RENEWAL_S = 0.1
"""As RENEWAL_S, while something is held in advance near a limit. Twice that is less than `recheck.DELAY_S`."""
COLLECT_S = 0.004
"""How long settlements wait for others, so that one transaction takes them together. A reservation takes them along at once."""
RETRY_S = 0.5
"""How often a backend that cannot be reached is tried again."""
MAX_EXCHANGE_S = 2.0
MAX_PENDING = 1000
"""Settlements that wait for the backend one by one; more are added up by window."""


class Ledger:
    def __init__(
        self,
        backend: LeaseBackend,
        *,
        new_owner: Callable[[], str],
        start: Callable[[Callable[[], Coroutine[Any, Any, None]]], None],
        wall: Callable[[], float],
    ) -> None:
        """`start` runs the exchanges in the background; it is called with the first reservation."""
        self._backend = backend
        self._new_owner = new_owner
        self._start: Callable[[Callable[[], Coroutine[Any, Any, None]]], None] | None = start
        self._wall = wall
        self._leases: set[BudgetLease] = set()
        self._advance = Allotment()
        self._waiters: list[PendingReservation] = []
        self._settled: list[tuple[BudgetLease, Sequence[int]]] = []
        self._unsent: LeaseBatch | None = None
        """The settlements of an exchange that failed."""
        self._wake = asyncio.Event()
        self._local: MemoryLedger | None = None
        """Counts while the backend is down."""
        self.state = LedgerState(new_owner())

    @property
    def name(self) -> str:
        return self._backend.name

    def now(self) -> float:
        """Seconds since the epoch by the backend's clock, so that all processes mean the same windows."""
        return self._wall() + self.state.clock_offset_s

    async def read(self, windows: Sequence[str]) -> Mapping[str, WindowState]:
        return await self._backend.read(windows)

    async def reserve(self, charges: Sequence[Charge]) -> BudgetLease | LeaseRefusal:
        """Reserve all amounts, or none. While the backend is down, within the local limits."""
        found, recheck = await self._reserve(charges), self.state.recheck
        if isinstance(found, LeaseRefusal) and not self.state.is_down and recheck.is_due(found, self._wall()):
            await asyncio.sleep(DELAY_S)
            found = await self._reserve(charges)
            if isinstance(found, LeaseRefusal):
                recheck.failed(found, self._wall())
        return found

    async def _reserve(self, charges: Sequence[Charge]) -> BudgetLease | LeaseRefusal:
        if self.state.is_down:
            return self._reserve_locally(charges)
        left = self._advance.take(charges)
        if left is not None:
            lease = BudgetLease(charges)
            lease.left, lease.is_held = left, True
            self._leases.add(lease)
            return lease
        if self._start is not None:
            start, self._start = self._start, None
            start(self.run)
        waiter = PendingReservation(BudgetLease(charges), asyncio.get_running_loop().create_future())
        self._waiters.append(waiter)
        self._wake.set()
        try:
            verdict = await waiter.future
        except LeaseBackendError:
            return self._reserve_locally(charges)
        except BaseException:  # the client has left; the grant may be on its way
            self._forget(waiter)
            raise
        return waiter.lease if isinstance(verdict, LeaseGrant) else verdict

    def _reserve_locally(self, charges: Sequence[Charge]) -> BudgetLease | LeaseRefusal:
        """The lease is not held by the backend; its settlement is sent when the backend is back."""
        if self._local is None:
            self._local = MemoryLedger(self._wall)
        local = self._local.reserve_now([charge._replace(limit=charge.local_limit) for charge in charges])
        if isinstance(local, LeaseRefusal):
            return local
        lease = BudgetLease(charges)
        lease.local, lease.left = local, local.left
        self._leases.add(lease)
        return lease

    def _forget(self, waiter: PendingReservation) -> None:
        """The reservation is not wanted any more: settle it with nothing spent, now or as soon as it is granted."""
        future = waiter.future
        if waiter in self._waiters:
            self._waiters.remove(waiter)
        elif not future.done() or future.cancelled():
            waiter.lease.is_open = False
        elif future.exception() is None and isinstance(future.result(), LeaseGrant):
            self.settle(waiter.lease, (0,) * len(waiter.lease.charges))

    def settle(self, lease: BudgetLease, spent: Sequence[int]) -> None:
        """Replace what is held by what was `spent`, one number for each charge. A second call does nothing."""
        if not lease.is_open:
            return
        lease.is_open = False
        self._leases.discard(lease)
        if lease.local is not None and self._local is not None:
            self._local.settle(lease.local, spent)
        self._settled.append((lease, spent))
        if self.state.is_down and len(self._settled) > MAX_PENDING:
            self._settled = added_up(self._settled)
        self._wake.set()

    async def run(self) -> None:
        """LeaseBatch batches with the backend for ever; when nothing is to be exchanged, say that the owner lives."""
        while True:
            if self.state.is_down:
                await asyncio.sleep(RETRY_S)
            else:
                await self._wait()
            self._wake.clear()
            await self._exchange()

    async def _wait(self) -> None:
        """Until there is something to exchange, or the owner must renew."""
        if not self._wake.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(NEAR_RENEWAL_S if self._advance.is_near else RENEWAL_S):
                    await self._wake.wait()
        if not self._waiters:
            self._wake.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(COLLECT_S):
                    while not self._waiters:
                        await self._wake.wait()
                        self._wake.clear()

    async def close(self) -> None:
        """Send what is settled, and give back what is held."""
        if self.state.sequence or self._settled or self._unsent:
            await self._exchange(is_last=True)
        await self._backend.close()

    async def _exchange(self, *, is_last: bool = False) -> None:
        flight: BatchInFlight | None = None
        try:
            if self._unsent is not None:
                await self._send(self._unsent)
                self._unsent = None
            flight = self._next_flight(is_last=is_last)
            result = await self._send(flight.batch)
        except LeaseBackendError as error:
            self._failed(error, flight)
            return
        except BaseException:  # stopped meanwhile
            if flight is not None:
                self._abandon(flight)
            raise
        if self.state.is_down:
            log.info("lease backend is back", backend=self.name)
            self.state.is_down = False
            self._local = None
        self._landed(flight, result)

    async def _send(self, batch: LeaseBatch) -> BatchResult:
        try:
            async with asyncio.timeout(MAX_EXCHANGE_S):
                result = await self._backend.exchange(batch)
        except LeaseBackendError:
            raise
        except Exception as error:  # whatever it is, the requests that wait must not wait for ever
            raise LeaseBackendError(f"{type(error).__name__}, or no answer within {MAX_EXCHANGE_S:g} s") from error
        if len(result.verdicts) != len(batch.reservations):
            raise LeaseBackendError(f"another process is known as {batch.owner}")
        return result

    def _next_flight(self, *, is_last: bool) -> BatchInFlight:
        waiters, self._waiters = [waiter for waiter in self._waiters if not waiter.future.done()], []
        settled, self._settled = self._settled, []
        settlements = [part for lease, spent in settled for part in settlements_of(lease, spent)]
        settlements += self._advance.give_back(charge for waiter in waiters for charge in waiter.lease.charges)
        now = self.now()
        if is_last or now >= self.state.returns_at:
            self.state.returns_at = now + RENEWAL_S
            settlements += self._advance.give_back_unused(now)
        elif now >= self.state.near_returns_at:
            self.state.near_returns_at = now + NEAR_RENEWAL_S
            settlements += self._advance.give_back_unused(now, only_near=True)
        advances = () if is_last else self._advance.asks(now)
        unheld = [] if is_last else [lease for lease in self._leases if not lease.is_held]
        for lease in unheld:
            lease.is_held = True
        self.state.sequence += 1
        batch = LeaseBatch(
            owner=self.state.owner,
            sequence=self.state.sequence,
            settlements=settlements,
            holds=[charge for lease in unheld for charge in lease.charges],
            reservations=[*(waiter.lease.charges for waiter in waiters), *((charge,) for charge in advances)],
            is_last=is_last,
        )
        return BatchInFlight(batch, waiters, unheld, advances)

    def _landed(self, flight: BatchInFlight, result: BatchResult) -> None:
        self.state.clock_offset_s = result.now - self._wall()
        if result.has_expired:
            log.warning("leases had expired, they are held again", backend=self.name, leases=len(self._leases))
            self._release_all(flight.held_again)
            self._wake.set()
        for waiter, verdict in zip(flight.waiters, result.verdicts, strict=False):
            if isinstance(verdict, LeaseGrant):
                self._advance.granted(waiter.lease.charges, verdict.left)
                waiter.lease.left, waiter.lease.is_held = verdict.left, True
                wanted, waiter.lease.is_open = waiter.lease.is_open, True
                self._leases.add(waiter.lease)
                if not wanted:
                    self.settle(waiter.lease, (0,) * len(waiter.lease.charges))
            if not waiter.future.done():
                waiter.future.set_result(verdict)
        for charge, verdict in zip(flight.advances, result.verdicts[len(flight.waiters) :], strict=True):
            self._advance.answered(charge, verdict.left[0] if isinstance(verdict, LeaseGrant) else None)

    def _release_all(self, but: Sequence[BudgetLease] = ()) -> None:
        """The backend holds nothing for this process any more, but for these leases."""
        held = set(but)
        self._advance.clear()
        for lease in (*self._leases, *(lease for lease, _ in self._settled)):
            if lease not in held:
                lease.is_held = False

    def _abandon(self, flight: BatchInFlight) -> None:
        """Whether the batch was applied is unknown: its owner is given up, once its settlements have arrived."""
        self._unsent = msgspec.structs.replace(flight.batch, holds=(), reservations=(), is_last=True)
        self.state.owner, self.state.sequence = self._new_owner(), 0
        self._release_all()

    def _failed(self, error: LeaseBackendError, flight: BatchInFlight | None) -> None:
        state = self.state
        state.failures += 1
        if not state.is_down:
            log.error("lease backend is down", backend=self.name, error=str(error))
            state.is_down = True
        if flight is not None:
            self._abandon(flight)
        waiting, self._waiters = [*(flight.waiters if flight is not None else ()), *self._waiters], []
        for waiter in waiting:
            if not waiter.future.done():
                waiter.future.set_exception(LeaseBackendError(str(error)))
