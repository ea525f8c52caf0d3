"""Background tasks: each has an owner that stops it, and is restarted when it fails."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

log = structlog.stdlib.get_logger("octoroute.tasks")

MAX_DELAY_S = 60.0


class TaskOwner:
    """Holds references to its tasks, which the event loop does not, and cancels them when it stops."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, name: str, work: Awaitable[None]) -> asyncio.Task[None]:
        task = asyncio.ensure_future(work)
        assert isinstance(task, asyncio.Task)
        task.set_name(name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def stop(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def supervise(
    name: str,
    work: Callable[[], Awaitable[None]],
    *,
    died: Callable[[str], None],
    clock: Callable[[], float],
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Run `work` for ever: when it ends, restart it after 1, 2, 4 … at most MAX_DELAY_S seconds.

    `died` gets "panic" if it raised, "unexpected_termination" if it returned. A run longer than MAX_DELAY_S resets the delay.
    """
    delay_s = 1.0
    while True:
        since = clock()
        try:
            await work()
            died("unexpected_termination")
            log.error("background work ended, it will be restarted", work=name, in_s=delay_s)
        except Exception:
            died("panic")
            log.exception("background work failed, it will be restarted", work=name, in_s=delay_s)
        if clock() - since > MAX_DELAY_S:
            delay_s = 1.0
        await sleep(delay_s)
        delay_s = min(delay_s * 2, MAX_DELAY_S)
