"""Active health checking: probes every server in the background, so that a dead one is known before a request is sent to it.

One probe for all endpoints with the same address and credentials. It says whether the server can be reached and takes the key; what
its completions are like only requests can tell, see `balancing.health`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence

import structlog

from octoroute.balancing.health import HealthRegistry
from octoroute.balancing.policies import Random
from octoroute.domain.endpoint import Endpoint
from octoroute.errors import UpstreamAuthError, UpstreamError
from octoroute.upstream.client import UpstreamClient

TIMEOUT_S = 5.0

log = structlog.stdlib.get_logger("octoroute.health")


class ActiveHealthCheck:
    def __init__(
        self,
        *,
        upstream: UpstreamClient,
        health: HealthRegistry,
        endpoints: Callable[[], Iterable[Endpoint]],
        interval_s: Callable[[], float],
        random: Random,
        clock: Callable[[], float],
        cannot_probe: Callable[[Endpoint, Exception], None],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`cannot_probe` is called when a probe could not be sent. `interval_s` 0: no probes, until a reload changes it.

        `clock`: that of `health`.
        """
        self._upstream = upstream
        self._health = health
        self._endpoints = endpoints
        self._interval_s = interval_s
        self._random = random
        self._clock = clock
        self._cannot_probe = cannot_probe
        self._sleep = sleep
        self._refused: set[object] = set()
        """Servers whose last probe was refused for its credentials: each is logged once."""

    async def run(self) -> None:
        """Probe for ever: the first round within a second, the others at the interval, give or take a tenth."""
        await self._sleep(self._random() * min(1.0, self._interval_s() or 1.0))
        while True:
            interval_s = self._interval_s()
            if interval_s:
                await self.round()
            await self._sleep((interval_s or 1.0) * (0.9 + 0.2 * self._random()))

    async def round(self) -> None:
        """Probe every server once, except those that are answering requests anyway."""
        servers: dict[object, list[Endpoint]] = {}
        for endpoint in self._endpoints():
            if endpoint.health_check:
                servers.setdefault(server_of(endpoint), []).append(endpoint)
        async with asyncio.TaskGroup() as group:
            for endpoints in servers.values():
                if not self._answers(endpoints):
                    group.create_task(self.probe(endpoints))

    def _answers(self, endpoints: Sequence[Endpoint]) -> bool:
        """A request is under way there, or one has just succeeded, and nothing waits for a probe to bring it back."""
        if any(endpoint.id in self._health.unsure for endpoint in endpoints):
            return False
        since = self._clock() - self._interval_s()
        for endpoint in endpoints:
            breaker = self._health.breaker(endpoint)
            if breaker.in_flight or (breaker.succeeded_at is not None and not breaker.failures and breaker.last_seen > since):
                return True
        return False

    async def probe(self, endpoints: Sequence[Endpoint]) -> None:
        """`endpoints` share one server: the first is asked for all of them."""
        since = self._clock()
        asked = endpoints[0]
        try:
            refusal = await self._upstream.probe(asked, TIMEOUT_S)
        except UpstreamError as error:
            for endpoint in endpoints:
                self._health.probe_failed(endpoint, error.code, since, answered=False)
        except Exception as error:  # noqa: BLE001 - an error of one probe must not cancel the others
            self._cannot_probe(asked, error)
        else:
            self._log_refusal(endpoints, refusal)
            for endpoint in endpoints:
                if refusal is None:
                    self._health.probe_succeeded(endpoint)
                else:
                    self._health.probe_failed(endpoint, refusal.code, since, answered=True)

    def _log_refusal(self, endpoints: Sequence[Endpoint], refusal: UpstreamError | None) -> None:
        """Once while it lasts: a key that may not list models is no fault where completions succeed."""
        server = server_of(endpoints[0])
        if not isinstance(refusal, UpstreamAuthError):
            self._refused.discard(server)
        elif server not in self._refused:
            self._refused.add(server)
            log.warning("probe.refused", endpoint=endpoints[0].id, endpoints=len(endpoints), error=refusal.detail)


def server_of(endpoint: Endpoint) -> object:
    """Equal for endpoints whose probe is the same request."""
    address = (endpoint.kind, endpoint.base_url, endpoint.host, endpoint.api_version, endpoint.tls, endpoint.proxy)
    return (*address, endpoint.api_key, endpoint.headers, endpoint.forward_client_key)
