"""SIGTERM under load: whoever was let in is answered, nobody else is let in, and the log tells all of it."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections import Counter
from pathlib import Path
from typing import Any

from tests.support.fake import Exchange, Fake, Step, by_wish, slowly, tokens
from tests.support.live_gateway import Process, endpoint, settings
from tests.torture.world.crowd import Crowd, ask, told

BUFFERED = {"PYTHONUNBUFFERED": ""}
"""Standard output as a user's process has it."""
SLOW = 4


def held(go: asyncio.Event) -> Step:
    """A stream that begins, and goes on when it may."""
    first, *rest = tokens()

    async def step(exchange: Exchange) -> None:
        exchange.head(200, {"content-type": "text/event-stream", "transfer-encoding": "chunked"})
        exchange.chunk(first)
        await go.wait()
        for frame in rest:
            exchange.chunk(frame)
            await asyncio.sleep(0.01)
        exchange.write(b"0\r\n\r\n")

    return step


async def turn(directory: Path, workers: int, clients: int = 24, before: int = 200) -> Counter[str]:
    """One process, stopped after `before` answers. Raises AssertionError for anything lost."""
    async with contextlib.AsyncExitStack() as stack:
        go = asyncio.Event()
        quick, slow = Fake("quick").always(slowly(by_wish, 0.005)), Fake("slow").always(held(go))
        for fake in (quick, slow):
            stack.push_async_callback((await fake.start()).kill)
        tree = settings([endpoint(quick, "quick")], [endpoint(slow, "slow")], server={"workers": workers})
        process = await Process.start(directory, tree, env=BUFFERED)
        stack.push_async_callback(process.stop)

        crowd = Crowd(process.url, clients, ["quick"])
        waiting = [asyncio.ensure_future(ask(process.url, model="slow", stream=True)) for _ in range(SLOW)]
        await crowd.until(before)
        await slow.asked(SLOW)
        process.signal(signal.SIGTERM)
        knocked = await _knock(process.url)
        go.set()
        await crowd.gone()
        streams = await asyncio.gather(*waiting)
        code, errors = await process.ended()

        ended = crowd.ended + knocked
        lines = Counter(line["event"] for line in process.log())
        assert set(ended) == {"200"}, f"something was lost: {ended}"
        assert all(one.status == 200 and one.complete for one in streams), "a slow stream was cut"
        assert (code, errors) == (0, b""), f"exit code {code}, {errors!r}"
        asked = ended["200"] + SLOW
        assert len(quick.requests) + len(slow.requests) == asked, "somebody was asked twice, or for nothing"
        assert lines["request"] == asked, f"{asked} requests, {lines}"
        assert process.log()[-1]["event"] == "stopped", f"the last line is {process.lines[-1]!r}"
        return ended


async def _knock(url: str) -> Counter[str]:
    """What became of those who came after the signal, until somebody was refused."""
    ended: Counter[str] = Counter()
    while True:
        try:
            answer = await asyncio.wait_for(ask(url, model="quick"), 20)
        except ConnectionRefusedError:
            return ended
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            ended[f"lost: {error!r}"] += 1
        else:
            ended[told(answer)] += 1


async def run(directory: Path, turns: int) -> dict[str, Any]:
    """With one worker and with two, in turn."""
    ended: Counter[str] = Counter()
    for number in range(turns):
        place = directory / str(number)
        place.mkdir()
        try:
            ended += await turn(place, workers=1 + number % 2)
        except AssertionError as error:
            raise AssertionError(f"turn {number + 1}, {1 + number % 2} workers: {error}") from error
    return {"turns": turns, "answered": ended["200"]}
