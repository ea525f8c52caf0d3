"""A gateway and its endpoints, each in a process, with what every torture under load looks at in the end."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from tests.support.live_gateway import endpoint, settings
from tests.support.process import Gateway, total
from tests.support.wire import Answer, Wire
from tests.torture.asking import LEFT, Account, Ask, check_lines, check_metrics
from tests.torture.endpoint import Endpoint, Wish

SETTLED_S = 1.0
"""How soon after the last hang-up nothing may be left of it at an endpoint."""
TAKEN = ("octoroute_inflight_requests", "octoroute_endpoint_inflight", "octoroute_queue_depth")

Figures = dict[str, Any]


@dataclass
class Stage:
    gateway: Gateway
    endpoints: list[Endpoint]
    idle_descriptors: int
    """Of the gateway, without any connection."""

    async def busy(self) -> int:
        """Answers that endpoints are giving."""
        return sum([(await endpoint.count())["busy"] for endpoint in self.endpoints])

    async def quiet(self, within_s: float) -> float:
        """Seconds until no endpoint is busy."""
        since = time.monotonic()
        while busy := await self.busy():
            took_s = time.monotonic() - since
            assert took_s <= within_s, f"{busy} answers are still being given after {took_s:.2f} s"
            await asyncio.sleep(0.01)
        return time.monotonic() - since

    async def check_nothing_is_left(self) -> Figures:
        """No place is taken, and there is a descriptor for each idle connection to an endpoint, and none besides.

        A client that has just left may be news to the gateway, so it gets a few looks.
        """
        for _ in range(5):
            metrics = await self.gateway.metrics()
            taken = {gauge: total(metrics, gauge) for gauge in TAKEN}
            idle = sum([(await endpoint.count())["connections"] for endpoint in self.endpoints])
            descriptors = self.gateway.descriptors
            if not any(taken.values()) and descriptors == self.idle_descriptors + idle:
                return {"descriptors": descriptors, "of_idle_connections": idle}
        raise AssertionError(f"{taken}, {descriptors} descriptors, of {idle} idle connections and {self.idle_descriptors} others")

    async def check_same_story(self, accounts: list[Account], lost: int = 0) -> list[dict[str, Any]]:
        """Client, log, and metrics. Stops the gateway, so that the log is complete; returns it.

        `lost`: how many looked for a route that does not exist. They asked for no model, and have no line.
        """
        asked = [request_id for endpoint in self.endpoints for request_id in await endpoint.asked()]
        metrics = await self.gateway.metrics()
        assert await self.gateway.stop() == 0
        assert self.gateway.errors() == b""
        lines = self.gateway.log("request")
        check_lines(accounts, lines, asked)
        check_metrics(lines, metrics, lost)
        return lines


@contextlib.asynccontextmanager
async def stage(count: int, upstream: str, **tables: Any) -> AsyncIterator[Stage]:
    """A gateway in front of so many replicas of one model, in tier fast; `upstream` is its way to them."""
    tables["server"] = {"upstream": upstream, **tables.get("server", {})}
    async with contextlib.AsyncExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        endpoints = [Endpoint(f"e{number}") for number in range(count)]
        for each in endpoints:
            stack.push_async_callback(each.kill)
        await asyncio.gather(*[each.start() for each in endpoints])
        rows = [endpoint(each.url, id=each.id) for each in endpoints]
        gateway = await Gateway.start(directory, settings(rows, **tables))
        stack.push_async_callback(gateway.kill)
        yield Stage(gateway, endpoints, gateway.descriptors)


async def clients(count: int, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    async with asyncio.TaskGroup() as group:
        for _ in range(count):
            group.create_task(work())


def drawn(random: Random, name: str, **wish: Any) -> Ask:
    """Some request for one of the replicas."""
    return Ask(
        Wish(name, **{"words": random.randint(1, 20), **wish}),
        dialect=random.choice(["openai", "anthropic"]),
        stream=random.random() < 0.5,
        model=random.choice(["auto", "fast", "model-a"]),
    )


async def asked(wire: Wire, ask: Ask) -> Account:
    since = time.monotonic()
    answer = await wire.ask(ask.request())
    return Account.of(ask, answer, since, time.monotonic())


async def leave(wire: Wire, ask: Ask, patience_s: float, *, rudely: bool) -> Account:
    """Hang up on it when it is not there in time."""
    since = time.monotonic()
    try:
        await wire.send(ask.request())
        async with asyncio.timeout(patience_s):
            head = await wire.head()
            answer = Answer(head.status, head.headers, b"".join([piece async for piece in wire.pieces()]))
        return Account.of(ask, answer, since, time.monotonic())
    except TimeoutError:
        if rudely:
            wire.reset()
        wire.close()
        return Account(ask.wish.id, LEFT)


def mb(size: float) -> float:
    return round(size / 1e6, 2)
