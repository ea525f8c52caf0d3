"""The register of requests under way: newest first, and cancelled by id."""

from __future__ import annotations

import asyncio

from octoroute.domain.outcome import Ending
from octoroute.gateway.lifecycle import RequestLifecycle
from octoroute.gateway.live_requests import LiveRequests
from tests.support.parts import request
from tests.support.spine import Book


def entered(live: LiveRequests, book: Book, name: str, task: object) -> RequestLifecycle:
    lifecycle = RequestLifecycle(request(id=name), book, live)
    live.running[lifecycle] = task
    return lifecycle


async def test_the_newest_come_first_and_what_is_settled_is_gone():
    live, book = LiveRequests(lambda: 0.0), Book()
    task = asyncio.ensure_future(asyncio.sleep(60))
    one, two, three = (entered(live, book, name, task) for name in ("r1", "r2", "r3"))
    assert live.newest(2) == [three, two]
    two.finish(Ending.ANSWERED)
    two.settle()
    assert live.newest(9) == [three, one]
    task.cancel()


async def test_every_request_of_an_id_is_cancelled_once_and_no_other():
    live, book = LiveRequests(lambda: 0.0), Book()
    tasks = [asyncio.ensure_future(asyncio.sleep(60)) for _ in range(3)]
    same, again, other = (entered(live, book, name, task) for name, task in zip(("r", "r", "s"), tasks, strict=True))
    assert live.cancel("r") == 2
    assert live.cancel("r") == 0
    assert live.cancel("?") == 0
    assert [live.is_cancelled(one) for one in (same, again, other)] == [True, True, False]
    await asyncio.wait(tasks[:2])
    assert [task.cancelled() for task in tasks] == [True, True, False]
    same.settle()
    other.settle()
    assert [(outcome.ending, outcome.error) for outcome in book.outcomes] == [
        (Ending.BROKEN, "request_cancelled"),
        (Ending.ABANDONED, None),
    ]
    assert live.newest(9) == [again]
    tasks[2].cancel()


async def test_a_cancellation_is_an_operators_only_if_an_operator_cancelled():
    live, seen = LiveRequests(lambda: 0.0), []

    async def work(name: str) -> None:
        lifecycle = entered(live, Book(), name, asyncio.current_task())
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            seen.append((name, live.cancelled_here(lifecycle)))
        await asyncio.sleep(0)  # the task of a cancelled request goes on

    tasks = [asyncio.ensure_future(work(name)) for name in ("operator", "client")]
    await asyncio.sleep(0)
    live.cancel("operator")
    tasks[1].cancel()
    await asyncio.wait(tasks)
    assert sorted(seen) == [("client", False), ("operator", True)]
    assert tasks[0].cancelling() == 0
