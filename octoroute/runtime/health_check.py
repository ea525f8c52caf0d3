"""Active health checking: probes every endpoint in the background, so that a dead one is known before a request is sent to it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable

from octoroute.balancing.health import HealthRegistry
from octoroute.balancing.policies import Random
from octoroute.domain.endpoint import Endpoint
from octoroute.errors import UpstreamError
from octoroute.upstream.client import UpstreamClient

TIMEOUT_S = 5.0


class ActiveHealthCheck:
    def __init__(
        self,
        *,
        upstream: UpstreamClient,
        health: HealthRegistry,
        endpoints: Callable[[], Iterable[Endpoint]],
        interval_s: Callable[[], float],
        random: Random,
        cannot_probe: Callable[[Endpoint, Exception], None],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`cannot_probe` is called when a probe could not be sent. `interval_s` 0: no probes, until a reload changes it."""
        self._upstream = upstream
        self._health = health
        self._endpoints = endpoints
        self._interval_s = interval_s
        self._random = random
        self._cannot_probe = cannot_probe
        self._sleep = sleep

    async def run(self) -> None:
        """Probe for ever: the first round within a second, the others at the interval, give or take a tenth."""
        await self._sleep(self._random() * min(1.0, self._interval_s() or 1.0))
        while True:
            interval_s = self._interval_s()
            if interval_s:
                await self.round()
            await self._sleep((interval_s or 1.0) * (0.9 + 0.2 * self._random()))

    async def round(self) -> None:
        async with asyncio.TaskGroup() as group:
            for endpoint in self._endpoints():
                group.create_task(self.probe(endpoint))

    async def probe(self, endpoint: Endpoint) -> None:
        try:
            await self._upstream.probe(endpoint, TIMEOUT_S)
        except UpstreamError as error:
            self._health.failed(endpoint, error)
        except Exception as error:  # noqa: BLE001 - an error of one probe must not cancel the others
            self._cannot_probe(endpoint, error)
        else:
            self._health.succeeded(endpoint)
