"""Background work is restarted for ever, later and later, and stopped by its owner."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from octoroute.runtime.tasks import MAX_DELAY_S, TaskOwner, supervise


class Enough(BaseException):
    pass


async def run(works, runs: int, lasts_s: float = 0.0):
    """The delays between `runs` runs, and what `died` was told."""
    delays, died, now = [], Counter(), 0.0
    started = 0

    async def work():
        nonlocal started, now
        started += 1
        now += lasts_s
        await works(started)

    async def sleep(seconds):
        nonlocal now
        delays.append(seconds)
        now += seconds
        if len(delays) == runs:
            raise Enough

    with pytest.raises(Enough):
        await supervise("work", work, died=lambda how: died.update([how]), clock=lambda: now, sleep=sleep)
    return delays, died


async def fails(_):
    raise ValueError("x")


async def returns(_):
    return


async def test_failures_are_restarted_after_ever_longer_delays_up_to_a_minute():
    delays, died = await run(fails, 40)
    assert delays[:7] == [1, 2, 4, 8, 16, 32, 60]
    assert set(delays[7:]) == {MAX_DELAY_S}
    assert died == {"panic": 40}


async def test_a_return_is_no_end_either():
    _, died = await run(returns, 10)
    assert died == {"unexpected_termination": 10}


async def test_a_long_run_starts_the_count_anew():
    delays, _ = await run(fails, 10, lasts_s=MAX_DELAY_S + 1)
    assert delays[:3] == [1, 1, 1] or delays[:3] == [1, 2, 2]
    assert max(delays) <= 2


async def test_cancelling_ends_it():
    async def work():
        await asyncio.sleep(60)

    task = asyncio.ensure_future(supervise("work", work, died=lambda how: None, clock=lambda: 0.0))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_an_owner_stops_what_it_started_and_keeps_nothing_that_is_done():
    owner, ended = TaskOwner(), []

    async def work(seconds):
        try:
            await asyncio.sleep(seconds)
        finally:
            ended.append(seconds)

    brief = owner.start("brief", work(0))
    owner.start("long", work(60))
    await brief
    await asyncio.sleep(0)
    assert len(owner._tasks) == 1
    await owner.stop()
    assert ended == [0, 60]
    await asyncio.sleep(0)
    assert not owner._tasks
