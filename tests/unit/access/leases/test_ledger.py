"""The ledger of a process: what it settles arrives once, whatever happens to the backend."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator

import pytest

from octoroute.access.leases import ledger as module
from octoroute.access.leases.base import LeaseBackendError, LeaseBatch, LeaseRefusal, WindowState
from octoroute.access.leases.lease import BudgetLease
from octoroute.access.leases.ledger import Ledger
from octoroute.access.leases.memory import MemoryLeases
from octoroute.runtime.tasks import TaskOwner
from tests.support.lease_backends import charge


class UnreliableLeases(MemoryLeases):
    """Fails when it is told to: before it applies a batch, or after."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        super().__init__(lambda: self.now_s, owner_ttl_s=10.0)
        self.fails: str | None = None
        self.gate: asyncio.Event | None = None
        self.batches: list[LeaseBatch] = []

    async def exchange(self, batch):
        self.batches.append(batch)
        if self.gate is not None:
            await self.gate.wait()
        if self.fails == "before":
            raise LeaseBackendError("away")
        if self.fails == "strangely":
            raise ZeroDivisionError
        result = await super().exchange(batch)
        if self.fails == "after":
            raise LeaseBackendError("away")
        return result

    async def sums(self, window: str = "w") -> tuple[int, int]:
        state = (await self.read([window]))[window]
        return state.spent, state.held


class Stage:
    def __init__(self) -> None:
        self.backend, self.tasks = UnreliableLeases(), TaskOwner()
        numbers = itertools.count()
        self.ledger = Ledger(
            self.backend,
            new_owner=lambda: f"o{next(numbers)}",
            start=lambda work: self.tasks.start("leases", work()),
            wall=lambda: self.backend.now_s,
        )

    async def reserve(self, amount: int = 6, limit: int = 20, local: int = 0) -> BudgetLease | LeaseRefusal:
        return await self.ledger.reserve([charge("w", amount, limit, local_limit=local)])

    async def until(self, expected: tuple[int, int]) -> None:
        async with asyncio.timeout(30):
            while await self.backend.sums() != expected:
                await asyncio.sleep(0.002)


@pytest.fixture
async def stage(monkeypatch) -> AsyncIterator[Stage]:
    monkeypatch.setattr(module, "RETRY_S", 0.01)
    monkeypatch.setattr(module, "DELAY_S", 0.0)
    made = Stage()
    yield made
    await made.tasks.stop()


async def test_reservations_at_once_travel_together(stage):
    stage.backend.gate = asyncio.Event()
    waiting = [asyncio.ensure_future(stage.reserve(1)) for _ in range(10)]
    await asyncio.sleep(0.01)
    stage.backend.gate.set()
    assert all(isinstance(lease, BudgetLease) for lease in await asyncio.gather(*waiting))
    assert len(stage.backend.batches) <= 3


async def test_a_settlement_arrives(stage):
    lease = await stage.reserve()
    stage.ledger.settle(lease, (4,))
    stage.ledger.settle(lease, (4,))
    await stage.until((4, 0))


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_settlement_arrives_once_whether_the_failed_batch_was_applied_or_not(stage, when):
    first, second = await stage.reserve(), await stage.reserve()
    stage.backend.fails = when
    stage.ledger.settle(first, (5,))
    while not stage.ledger.state.is_down:
        await asyncio.sleep(0.002)
    await asyncio.sleep(0.05)
    stage.backend.fails = None
    while stage.ledger.state.is_down:
        await asyncio.sleep(0.002)
    await stage.until((5, 6))
    stage.ledger.settle(second, (2,))
    await stage.until((7, 0))


async def test_while_the_backend_is_down_the_local_limit_counts_and_what_is_used_is_told_later(stage):
    await stage.reserve(1)
    stage.backend.fails = "before"
    lease = await stage.reserve(6, 20, local=10)
    assert isinstance(lease, BudgetLease)
    refused = await stage.reserve(6, 20, local=10)
    assert isinstance(refused, LeaseRefusal)
    assert isinstance(await stage.reserve(6, 20, local=0), LeaseRefusal), "closed"
    stage.ledger.settle(lease, (3,))
    assert isinstance(await stage.reserve(6, 20, local=10), BudgetLease), "it was settled locally, too"
    stage.backend.fails = None
    await stage.until((3, 7))


async def test_many_settlements_that_wait_are_added_up(stage, monkeypatch):
    monkeypatch.setattr(module, "MAX_PENDING", 10)
    await stage.reserve(1)
    stage.backend.fails = "before"
    for _ in range(100):
        lease = await stage.reserve(1, 10_000, local=10_000)
        stage.ledger.settle(lease, (1,))
    assert len(stage.ledger._settled) <= 11
    stage.backend.fails = None
    await stage.until((100, 1))


async def test_leases_that_expired_are_held_again(stage):
    lease = await stage.reserve(6)
    stage.backend.now_s += 60
    assert await stage.backend.sums() == (0, 0)
    other = await stage.reserve(3)
    await stage.until((0, 9))
    stage.ledger.settle(lease, (2,))
    stage.ledger.settle(other, (1,))
    await stage.until((3, 0))


async def test_a_client_that_leaves_while_it_waits_holds_nothing(stage):
    await stage.reserve(1)
    stage.backend.gate = asyncio.Event()
    waiting = asyncio.ensure_future(stage.reserve(6))
    await asyncio.sleep(0.01)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    stage.backend.gate.set()
    await stage.until((0, 1))


async def test_what_is_far_from_its_limit_is_reserved_without_the_backend(stage):
    for _ in range(3):
        lease = await stage.reserve(1, 1_000_000)
        stage.ledger.settle(lease, (1,))
        await asyncio.sleep(0.02)
    stage.backend.fails = "before"
    assert isinstance(await stage.reserve(1, 1_000_000), BudgetLease)
    stage.backend.fails = None


async def test_closing_gives_back_what_is_held_and_tells_what_is_settled(stage):
    lease, _ = await stage.reserve(), await stage.reserve()
    await stage.tasks.stop()
    stage.ledger.settle(lease, (4,))
    await stage.ledger.close()
    assert await stage.backend.sums() == (4, 0)


async def test_a_batch_on_its_way_when_the_process_stops_counts_once(stage):
    lease = await stage.reserve()
    stage.backend.gate = asyncio.Event()
    stage.ledger.settle(lease, (4,))
    while not stage.backend.batches[-1].settlements:
        await asyncio.sleep(0.002)
    await stage.tasks.stop()
    stage.backend.gate = None
    await stage.ledger.close()
    assert await stage.backend.sums() == (4, 0)


async def test_a_backend_that_fails_strangely_is_down_and_no_request_waits_for_ever(stage):
    stage.backend.fails = "strangely"
    assert isinstance(await stage.reserve(1, 20, local=5), BudgetLease)
    assert stage.ledger.state.is_down
    stage.backend.fails = None
    await stage.until((0, 1))


async def test_an_owners_name_that_is_taken_is_given_up(stage):
    await stage.backend.exchange(LeaseBatch(owner="o0", sequence=99))
    assert isinstance(await stage.reserve(1, 20, local=5), BudgetLease)
    while stage.ledger.state.is_down:
        await asyncio.sleep(0.002)
    assert stage.ledger.state.owner == "o1"


async def test_a_refused_process_gets_what_another_one_held_in_advance_and_does_not_use():
    backend, tasks, numbers = MemoryLeases(time.time), TaskOwner(), itertools.count()
    idle, busy = (
        Ledger(
            backend,
            new_owner=lambda: f"o{next(numbers)}",
            start=lambda work: tasks.start("leases", work()),
            wall=time.time,
        )
        for _ in range(2)
    )
    wanted = [charge("w", 5, 100)]
    idle.settle(await idle.reserve(wanted), (5,))
    async with asyncio.timeout(10):
        while (await backend.read(["w"]))["w"] != WindowState(spent=5, held=11):
            await asyncio.sleep(0.002)
        leases = [await busy.reserve(wanted) for _ in range(19)]
    assert all(isinstance(lease, BudgetLease) for lease in leases), "all 100 were admitted"
    assert isinstance(await busy.reserve(wanted), LeaseRefusal)
    await tasks.stop()
