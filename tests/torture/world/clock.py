"""The wall clock steps back an hour, and forward: dates change, and nothing that is measured or waited for does.

A real process under libfaketime, which tells it another date whenever a file says so, and the true monotonic clock. It has one
thread that works: where two contend for the interpreter, libfaketime makes a wait with a time limit a busy one.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx2

from octoroute.balancing.circuit import FIRST_OPENING_S
from tests.support.fake import Fake, completion, error, hang, stream, tokens, whole
from tests.support.live_gateway import endpoint, settings
from tests.support.process import Gateway, total
from tests.torture.world.crowd import Answer, Crowd, ask
from tests.torture.world.impossible import Impossible

HOUR_S = 3600
STEPS = (-HOUR_S, +HOUR_S, -25 * HOUR_S, 0, +25 * HOUR_S)
"""Where the date goes, in turn; relative to the true one."""
TIMEOUT_S, RECOVERY_S, PER_MINUTE = 3, 3, 30
AGES_S = 30.0
"""More than anything here takes."""
ADMIN = "key-of-the-operator"


def library() -> Path | None:
    """libfaketime, if it is there."""
    return next(iter(sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))), None)


class Clock:
    def __init__(self, file: Path) -> None:
        self._file = file
        self.step(0)

    def environment(self, its: Path) -> dict[str, str]:
        return {
            "LD_PRELOAD": str(its),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_CACHE_DURATION": "1",  # it looks into the file once a second; each time would be a file opened for each look
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",
        }

    def step(self, offset_s: int) -> None:
        new = self._file.with_suffix(".new")
        new.write_text(f"{offset_s:+d}\n")
        new.replace(self._file)


class Scene:
    """One endpoint that answers, one that hangs, one that fails, and one of a provider that may be asked so often."""

    def __init__(self, gateway: Gateway, clock: Clock, sick: Fake) -> None:
        self.gateway = gateway
        self.clock = clock
        self.sick = sick

    @classmethod
    async def start(cls, stack: contextlib.AsyncExitStack, directory: Path, its: Path) -> Scene:
        fakes = {name: Fake(name) for name in ("well", "silent", "sick", "limited")}
        fakes["silent"].always(hang)
        fakes["well"].always(_streams)
        for fake in fakes.values():
            stack.push_async_callback((await fake.start()).kill)
        clock = Clock(directory / "clock")
        tree = settings(
            [endpoint(fakes["well"], "well"), endpoint(fakes["sick"], "sick"), {"name": "limited", "provider": "limited"}],
            deep=[endpoint(fakes["silent"], "silent")],
            providers={"limited": {"base_url": fakes["limited"].url, "requests_per_minute": PER_MINUTE}},
            timeouts={"deep": TIMEOUT_S},
            retry={"max_attempts": 1},
            auth={"admin_keys": [ADMIN]},
            health={"interval_seconds": 0, "failure_threshold": 1, "recovery_seconds": RECOVERY_S},
        )
        gateway = await Gateway.start(directory, tree, env=clock.environment(its))
        stack.push_async_callback(gateway.kill)
        return cls(gateway, clock, fakes["sick"])

    async def ask(self, model: str, stream: bool = False) -> Answer:
        return await ask(self.gateway.url, model=model, stream=stream)

    async def wait_for(self, model: str, within_s: float = 30.0) -> None:
        """Until it answers."""
        async with asyncio.timeout(within_s):
            while (await self.ask(model)).status != 200:
                await asyncio.sleep(0.1)

    async def step(self, offset_s: int) -> None:
        """Until the gateway's date is another."""
        self.clock.step(offset_s)
        async with asyncio.timeout(AGES_S), httpx2.AsyncClient(base_url=self.gateway.url, trust_env=False) as client:
            while True:
                told = (await client.get("/admin/stats", headers={"x-api-key": ADMIN})).json()
                if abs(told["timestamp"] - time.time() - offset_s) < HOUR_S / 2:
                    return
                await asyncio.sleep(0.05)

    async def round(self, offset_s: int) -> None:
        """Everything is under way when the date changes."""
        since = time.monotonic()
        silent = asyncio.ensure_future(self._timed_out())
        streamed = asyncio.ensure_future(self.ask("well", stream=True))
        self.sick.then(error(500))
        assert (await self.ask("sick")).status == 502
        while (await self.ask("limited")).status == 200:
            pass
        at = time.monotonic()

        await self.step(offset_s)
        status = (await self.ask("sick")).status
        assert status == 503 or time.monotonic() - since >= min(RECOVERY_S, FIRST_OPENING_S), (
            "the circuit has closed before its time"
        )
        granted = sum([(await self.ask("limited")).status == 200 for _ in range(PER_MINUTE)])
        due = (time.monotonic() - at) * PER_MINUTE / 60
        assert granted <= due + 1, f"{granted} requests where the limit allows {due:.1f}"
        answer = await asyncio.wait_for(streamed, AGES_S)
        assert answer.status == 200 and answer.complete, answer
        took_s = await asyncio.wait_for(silent, AGES_S)
        assert took_s >= TIMEOUT_S * 0.95, f"a timeout of {TIMEOUT_S} s was over after {took_s}"
        await self.wait_for("sick")
        await self.wait_for("limited")

    async def _timed_out(self) -> float:
        """After how long. Its circuit is open for a while after each time."""
        while True:
            since = time.monotonic()
            answer = await self.ask("silent")
            if answer.status == 504:
                return time.monotonic() - since
            assert answer.status == 503, answer
            await asyncio.sleep(0.1)


async def run(directory: Path, steps: int) -> dict[str, Any]:
    """Raises Impossible."""
    its = library()
    if its is None:
        raise Impossible("libfaketime is not installed")
    since = time.monotonic()
    async with contextlib.AsyncExitStack() as stack:
        scene = await Scene.start(stack, directory, its)
        crowd = Crowd(scene.gateway.url, 2, ["well"], pause_s=0.05)
        for number in range(steps):
            await scene.round(STEPS[number % len(STEPS)])
        await crowd.leave()
        metrics = await scene.gateway.metrics()
        assert await scene.gateway.stop() == 0
        assert set(crowd.ended) == {"200"}, crowd.ended
        elapsed_s = time.monotonic() - since
        requests = scene.gateway.log("request")
        _check_durations(requests, elapsed_s)
        _check_metrics(metrics, len(requests), elapsed_s)
        return {"steps": steps, "requests": len(requests)}


def _durations(told: object, name: str = "") -> Iterator[tuple[str, float]]:
    """Everything that is called …_ms."""
    if isinstance(told, Mapping):
        for key, value in told.items():
            yield from _durations(value, str(key))
    elif isinstance(told, list):
        for value in told:
            yield from _durations(value, name)
    elif re.fullmatch(r"(.*_)?ms", name) and isinstance(told, float | int):
        yield name, told


def _check_durations(requests: list[dict[str, Any]], elapsed_s: float) -> None:
    for line in requests:
        for name, value in _durations(line):
            assert 0 <= value <= elapsed_s * 1000, f"{name} = {value}: {json.dumps(line)}"


def _check_metrics(metrics: Mapping[tuple[str, frozenset[tuple[str, str]]], float], requests: int, elapsed_s: float) -> None:
    for (name, labels), value in metrics.items():
        assert value >= 0, (name, labels, value)
        if name.endswith("_seconds_sum"):
            assert value <= elapsed_s * requests, (name, labels, value)
    assert total(metrics, "octoroute_metrics_recording_failures_total") == 0
    assert total(metrics, "octoroute_clock_errors_total") == 0


async def _streams(exchange) -> None:
    frames = tokens([str(n) for n in range(30)])
    if exchange.seen.json.get("stream"):
        await stream([part for frame in frames for part in (frame, 0.1)])(exchange)
    else:
        await whole(completion())(exchange)
