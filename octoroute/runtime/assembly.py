"""The composition root: builds a running instance from a configuration, bottom up, and reloads and stops it as a whole.

The HTTP service (`server.app`) and in-process users (`runtime.embedded`) use the same object.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Coroutine, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import structlog

from octoroute import dialects
from octoroute.balancing.admin_state import AdminState
from octoroute.balancing.health import HealthRegistry
from octoroute.balancing.queue import AdmissionQueue
from octoroute.config.schema import Config
from octoroute.dialects.base import Inbound
from octoroute.domain.decision import Decision
from octoroute.domain.endpoint import Endpoint
from octoroute.gateway.admission import QueueGrant
from octoroute.gateway.decision_record.archive import RecordArchive
from octoroute.gateway.decision_record.stored import RecordWriter
from octoroute.gateway.gateway import Gateway
from octoroute.gateway.token_count import EstimateCalibration, TokenCounter
from octoroute.routing.affinity import REASONS as AFFINITY_REASONS
from octoroute.routing.strategies import reason
from octoroute.runtime.gauges import gauge_samples
from octoroute.runtime.health_check import ActiveHealthCheck
from octoroute.runtime.limits import Budgets
from octoroute.runtime.otel import OpenTelemetry
from octoroute.runtime.persistence import Persistence
from octoroute.runtime.settings import SettingsBuilder, dry_router, moved_endpoints
from octoroute.runtime.tasks import TaskOwner, supervise
from octoroute.store.base import HistoryStore
from octoroute.telemetry.access_log import OutcomeSink
from octoroute.telemetry.exposition import Exposition, Scraper
from octoroute.telemetry.metric_catalog import GaugeSample
from octoroute.telemetry.metrics import Metrics
from octoroute.telemetry.routing_events import RoutingEvents
from octoroute.telemetry.stats import Statistics
from octoroute.upstream.client import UpstreamClient
from octoroute.upstream.providers.plugins import ProviderRegistry
from octoroute.upstream.transports import TRANSPORTS
from octoroute.upstream.transports.base import Transport
from octoroute.upstream.web_client import WebClient

log = structlog.stdlib.get_logger("octoroute.building")

SHARING_S = 0.5
"""How often a worker shares its counts with the others: more often than a scrape is cached."""


class Telemetry(NamedTuple):
    metrics: Metrics
    statistics: Statistics
    sink: OutcomeSink
    scraper: Scraper
    persistence: Persistence
    otel: OpenTelemetry


class Runtime:
    """Made with `clock`: monotonic seconds; `wall`: seconds since the epoch; and `chance`: a random number from 0 up to 1.

    `state_directory` is for what outlives the process; None: it is in memory, unless `store.url` names a place.
    `limits_file`: of the limits and budgets that workers share if `shared.url` is not set; None: they are in memory.
    """

    def __init__(
        self,
        config: Config,
        *,
        transport: Transport | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        chance: Callable[[], float] = random.random,
        state_directory: Path | None = None,
        limits_file: Path | None = None,
    ) -> None:
        self.config = config
        self.wall = wall
        inbound = dialects.inbound(wall)
        self.interfaces: Mapping[str, Inbound] = {**inbound, **dialects.interfaces(wall)}
        """Every interface that clients can use, by name."""
        self.telemetry = self._make_telemetry(clock, wall, state_directory)
        events = RoutingEvents()
        queue: AdmissionQueue[QueueGrant] = AdmissionQueue(clock, QueueGrant.release)
        health = _health(config, queue, events, clock, wall)
        self.admin_state = AdminState(health)
        self._transport = self.otel.transport(transport or TRANSPORTS[config.server.upstream]())
        providers = ProviderRegistry(dialects.outbound(clock))
        upstream = UpstreamClient(self._transport, providers, providers.outbound)
        self._settings = SettingsBuilder(
            gateway=lambda: self.gateway,
            config=lambda: self.config,
            health=health,
            metrics=self.metrics,
            budgets=Budgets(config, start=partial(self._start, "leases"), wall=wall, metrics=self.metrics, file=limits_file),
            providers=providers,
            clock=clock,
            wall=wall,
            random=chance,
        )
        self.gateway = Gateway(
            settings=self._settings.build(config),
            upstream=upstream,
            health=health,
            queue=queue,
            sink=self.otel.sink(self.sink),
            inbound=inbound,
            clock=clock,
            random=chance,
            events=events,
            traces=not self.persistence.is_off,
        )
        self.dry_router = dry_router(config)
        self.token_counter = TokenCounter(self.gateway, EstimateCalibration(clock))
        self._observe_outcomes()
        self.health_check = ActiveHealthCheck(
            upstream=upstream,
            health=health,
            endpoints=lambda: filter(self.admin_state.endpoint_enabled, self.gateway.settings.endpoints),
            interval_s=lambda: self.config.health.interval_seconds,
            random=chance,
            clock=clock,
            cannot_probe=self._count_impossible_probe,
        )
        self._tasks = TaskOwner()

    def _make_telemetry(self, clock: Callable[[], float], wall: Callable[[], float], state_directory: Path | None) -> Telemetry:
        def persist(metrics: Metrics) -> Persistence:
            return Persistence(lambda: self.config, metrics, wall, state_directory)

        telemetry = _telemetry(self._gauges, clock, wall, persist, lambda metrics: OpenTelemetry(self.config, metrics, wall))
        records = RecordWriter(lambda endpoint: self.gateway.upstream.dialects(endpoint))  # noqa: PLW0108 - the gateway is made later
        telemetry.sink.observe("history", telemetry.persistence.observer(_reason, records.record))
        return telemetry

    @property
    def inbound(self) -> Mapping[str, Inbound]:
        """The chat interfaces, by dialect."""
        return self.gateway.inbound

    @property
    def metrics(self) -> Metrics:
        return self.telemetry.metrics

    @property
    def statistics(self) -> Statistics:
        return self.telemetry.statistics

    @property
    def sink(self) -> OutcomeSink:
        return self.telemetry.sink

    @property
    def scraper(self) -> Scraper:
        return self.telemetry.scraper

    @property
    def web(self) -> WebClient:
        """For servers that are no endpoints; it shares their connections' settings."""
        return WebClient(self._transport)

    @property
    def history(self) -> HistoryStore:
        return self.persistence.history

    @property
    def persistence(self) -> Persistence:
        return self.telemetry.persistence

    @property
    def otel(self) -> OpenTelemetry:
        return self.telemetry.otel

    def reload(self, config: Config) -> None:
        """From the next request on. Requests under way keep their settings; endpoints that stay the same keep their health."""
        gateway, health = self.gateway, self.gateway.health
        settings = self._settings.build(config)
        moved = moved_endpoints(gateway.settings.endpoints, settings.endpoints)
        self.config = config
        gateway.settings = settings
        health.retain(settings.endpoints)
        for endpoint in moved:
            health.reset(endpoint)
        self._observe_outcomes()
        self.admin_state.apply(settings.endpoints)
        health.set_limits(config.limits)
        health.failure_threshold = config.health.failure_threshold
        health.recovery_s = config.health.recovery_seconds
        self.dry_router = dry_router(config)

    @property
    def records(self) -> RecordArchive:
        """The decision records of the history."""
        return RecordArchive(self.history, self.interfaces)

    def _observe_outcomes(self) -> None:
        """Subscribes what needs the outcomes of requests: token estimates, and session affinity if it is configured."""
        self.sink.observe("token estimate", self.token_counter.on_outcome)
        affinity = self.gateway.settings.affinity
        self.sink.observe("session affinity", affinity.on_outcome if affinity else None)

    async def start(self) -> None:
        """Start the background tasks; requests are served without them, too."""
        self.persistence.start()
        self.otel.start()
        self._start("health probe", self.health_check.run)
        for name, work in self._settings.tasks():
            self._start(name, work)
        if self.scraper.exposition.is_shared:
            self._start("metrics", self._share_metrics)

    def start_task(self, name: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Start a background task that stops with the instance."""
        self._start(name, work)

    def _start(self, name: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._tasks.start(name, supervise(name, work, died=self._count_task_failure, clock=self.gateway.clock))

    async def _share_metrics(self) -> None:
        while True:
            self.scraper.exposition.share()
            await asyncio.sleep(SHARING_S)

    async def stop(self) -> None:
        """Stop the background tasks, and close every connection to an endpoint."""
        await self._tasks.stop()
        await self._settings.budgets.ledger.close()
        self.sink.flush()
        await self.otel.stop()
        await self.persistence.close()
        await self.gateway.upstream.tokens.close()
        await self._transport.close()

    def _gauges(self) -> Iterable[GaugeSample]:
        gateway = self.gateway
        depth, down = gateway.queue.depth, self.limits_down
        return gauge_samples(gateway.health, gateway.settings.endpoints, depth, limits_down=down, others=self._settings.others)

    @property
    def limits_down(self) -> bool:
        """Whether the store of shared limits and budgets cannot be reached."""
        return self._settings.budgets.is_down

    def _count_task_failure(self, how: str) -> None:
        self.metrics.count("octoroute_background_health_task_failures_total", how)

    def _count_impossible_probe(self, endpoint: Endpoint, error: Exception) -> None:
        self.metrics.count("octoroute_health_tracking_failures_total", endpoint.id, "probe_failed")
        log.error("endpoint cannot be probed", endpoint=endpoint.id, error=type(error).__name__)


def _health(
    config: Config,
    queue: AdmissionQueue[QueueGrant],
    events: RoutingEvents,
    clock: Callable[[], float],
    wall: Callable[[], float],
) -> HealthRegistry:
    health = HealthRegistry(
        failure_threshold=config.health.failure_threshold,
        recovery_s=config.health.recovery_seconds,
        clock=clock,
        wall=wall,
        on_capacity=queue.on_capacity,
        on_transition=events.circuit_changed,
    )
    health.set_limits(config.limits)
    return health


def _telemetry(
    gauges: Callable[[], Iterable[GaugeSample]],
    clock: Callable[[], float],
    wall: Callable[[], float],
    persist: Callable[[Metrics], Persistence],
    export: Callable[[Metrics], OpenTelemetry],
) -> Telemetry:
    """`gauges` is called at each scrape; `persist` makes what keeps the history, `export` what sends traces and metrics."""
    statistics = Statistics(wall, catch_up=lambda: sink.flush())  # noqa: PLW0108 - the sink is made from the statistics
    metrics = Metrics(_reason, on_flush=statistics.add_bulk)
    sink = OutcomeSink(metrics, statistics)
    persistence = persist(metrics)
    scraper = Scraper(Exposition(metrics, gauges), clock, catch_up=sink.catch_up)
    return Telemetry(metrics, statistics, sink, scraper, persistence, export(metrics))


def _reason(decision: Decision) -> str:
    """For metric labels: a name of the operator's rules, or one of the routers' reasons, so that their number is bounded."""
    return decision.rule or AFFINITY_REASONS.get(decision.why) or reason(decision)
