"""Limits that share a timer: each strikes its own task, at its own time, once."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Coroutine

import pytest

from octoroute.upstream.deadline import DeadlineTimer
from tests.support.virtual import now, run, settle


async def waits(patience: DeadlineTimer, limit_s: float, work_s: float) -> float:
    """How long it was allowed to."""
    began = now()
    with patience.limit(limit_s):
        await asyncio.sleep(work_s)
    return now() - began


async def refused(work: Coroutine[object, object, object]) -> float:
    """When it ran into its limit."""
    with pytest.raises(TimeoutError):
        await work
    return now()


def test_who_is_done_in_time_is_left_alone():
    assert run(waits(DeadlineTimer(), 5.0, 4.0)) == pytest.approx(4.0)


def test_each_of_many_strikes_at_its_own_time():
    async def all_of_them() -> list[float]:
        patience, began = DeadlineTimer(), now()
        ends = await asyncio.gather(*(refused(waits(patience, limit, 60.0)) for limit in (3.0, 1.0, 2.0)))
        return [end - began for end in ends]

    assert run(all_of_them()) == pytest.approx([3.0, 1.0, 2.0], abs=0.05)


def test_a_limit_that_is_moved_strikes_later_and_again():
    async def moved() -> list[float]:
        struck: list[float] = []
        with DeadlineTimer().limit(math.inf) as limit:
            for until in (1010.0, 1020.0):
                limit.move(until)
                try:
                    await asyncio.sleep(60)
                except asyncio.CancelledError:
                    assert limit.expired_here()
                    struck.append(now())
            limit.until = math.inf
            await asyncio.sleep(60)
        return struck

    assert run(moved()) == pytest.approx([1010.0, 1020.0], abs=0.05)


def test_a_cancellation_from_elsewhere_stays_one():
    async def cancelled() -> bool:
        task = asyncio.ensure_future(waits(DeadlineTimer(), 5.0, 60.0))
        await settle()
        task.cancel()
        await asyncio.wait([task])
        return task.cancelled()

    assert run(cancelled())


def test_a_cancellation_in_the_same_moment_wins():
    async def both() -> bool:
        patience = DeadlineTimer()
        task = asyncio.ensure_future(waits(patience, 5.0, 60.0))
        await settle()
        asyncio.get_running_loop().call_at(now() + 5.0, task.cancel)
        await asyncio.wait([task])
        return task.cancelled()

    assert run(both())


def test_one_inside_another():
    async def nested() -> str:
        patience = DeadlineTimer()
        try:
            with patience.limit(10.0):
                try:
                    with patience.limit(2.0):
                        await asyncio.sleep(60)
                except TimeoutError:
                    assert now() == pytest.approx(1002.0, abs=0.05)
                await asyncio.sleep(60)
        except TimeoutError:
            assert now() == pytest.approx(1010.0, abs=0.05)
            return "the outer one"
        return "none"

    assert run(nested()) == "the outer one"


def test_it_goes_on_in_another_loop():
    patience = DeadlineTimer()
    run(waits(patience, 500.0, 1.0))  # leaves a timer behind, in a loop that is closed
    assert run(refused(waits(patience, 5.0, 60.0))) == pytest.approx(1005.0, abs=0.05)
