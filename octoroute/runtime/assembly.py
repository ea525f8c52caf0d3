"""The composition root without HTTP: every room of the settings, built once from a configuration, and opened and closed together.

The HTTP service (`app`) and in-process users (`library`) are its clients, and see the same object.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Iterable, Mapping

import msgspec
import structlog

from octoroute import dialects
from octoroute.balancing.admin_state import AdminState
from octoroute.balancing.health import HealthRegistry
from octoroute.balancing.policies import ORDERS, POLICIES, Policy, PolicyInputs
from octoroute.balancing.queue import AdmissionQueue
from octoroute.config.schema import Config
from octoroute.dialects.base import Inbound
from octoroute.dialects.request.identity import opening_of, user_of
from octoroute.domain.decision import Decision
from octoroute.domain.endpoint import Endpoint
from octoroute.domain.ids import new_id
from octoroute.gateway.cascade import Cascade
from octoroute.gateway.context_window import ContextPolicy
from octoroute.gateway.gateway import Gateway, QueueGrant, Settings
from octoroute.gateway.internal_calls import Asker
from octoroute.gateway.response_cache import ResponseCache
from octoroute.gateway.shadow import ShadowMirror
from octoroute.gateway.shadow.mirror import append
from octoroute.gateway.shadow.worker import ShadowWorker as ShadowAsker
from octoroute.gateway.token_count import EstimateCalibration, TokenCounter
from octoroute.routing.affinity import REASONS as STEERING_REASONS
from octoroute.routing.affinity import SessionAffinity
from octoroute.routing.cache_economics import ConversationMemory
from octoroute.routing.difficulty.model import Scorer
from octoroute.routing.difficulty.model import load as load_artefact
from octoroute.routing.strategies import STRATEGIES, Router, RouterSettings, never_ask, reason
from octoroute.routing.strategies.cascade import CascadeRouter
from octoroute.runtime.gauges import gauge_samples
from octoroute.runtime.health_check import ActiveHealthCheck
from octoroute.runtime.tasks import TaskOwner, supervise
from octoroute.telemetry.access_log import OutcomeSink
from octoroute.telemetry.exposition import Exposition, Scraper
from octoroute.telemetry.metrics import Metrics
from octoroute.telemetry.routing_events import RoutingEvents
from octoroute.telemetry.stats import Statistics
from octoroute.upstream.client import UpstreamClient
from octoroute.upstream.providers.plugins import ProviderRegistry
from octoroute.upstream.transports import TRANSPORTS
from octoroute.upstream.transports.base import Transport

log = structlog.stdlib.get_logger("octoroute.building")

SHARING_S = 0.5
"""How late the other workers may know what a worker counts: less than a scrape is kept."""


class Runtime:
    def __init__(
        self,
        config: Config,
        *,
        transport: Transport | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.config = config
        self.wall = wall
        self.inbound: Mapping[str, Inbound] = dialects.inbound(wall)
        self.interfaces: Mapping[str, Inbound] = {**self.inbound, **dialects.interfaces(wall)}
        """Every interface that can be asked, by its name."""
        self._transport = transport or TRANSPORTS[config.server.upstream]()
        self._clock = clock
        self._chance = chance
        self._conversations = ConversationMemory(clock)
        self._owner = TaskOwner()
        self._policies: dict[tuple[str, ...], Policy] = {}
        notices = RoutingEvents()
        queue = AdmissionQueue(clock, QueueGrant.release)
        self._health = health = HealthRegistry(
            failure_threshold=config.health.failure_threshold,
            recovery_s=config.health.recovery_seconds,
            clock=clock,
            wall=wall,
            on_capacity=queue.on_capacity,
            on_transition=notices.circuit_changed,
        )
        health.set_limits(config.limits)
        self.statistics = Statistics(wall, catch_up=self._record_settled)
        self.admin_state = AdminState(health)
        self.metrics = Metrics(_reason, on_flush=self.statistics.add_bulk)
        self.sink = OutcomeSink(self.metrics, self.statistics)
        exposition = Exposition(
            self.metrics, lambda: gauge_samples(health, self.gateway.settings.endpoints, self.gateway.queue.depth)
        )
        self.scraper = Scraper(exposition, clock, catch_up=self.sink.catch_up)
        self._vendors = ProviderRegistry(dialects.outbound(clock))
        upstream = UpstreamClient(self._transport, self._vendors, self._vendors.outbound)
        self.gateway = Gateway(
            settings=self._settings(config),
            upstream=upstream,
            health=health,
            queue=queue,
            ledger=self.sink,
            inbound=self.inbound,
            clock=clock,
            random=chance,
            notices=notices,
        )
        self.gateway.cache = self._cache(config)
        self.token_counter = TokenCounter(self.gateway, EstimateCalibration(clock))
        self.sink.observe("token estimate", self.token_counter.on_outcome)
        self._shadow = self._build_shadow(clock, wall)
        self._subscribe(config)
        self.dry_router = self._dry_router(config)
        self.health_check = ActiveHealthCheck(
            upstream=upstream,
            health=health,
            endpoints=lambda: filter(self.admin_state.endpoint_enabled, self.gateway.settings.endpoints),
            interval_s=lambda: self.config.health.interval_seconds,
            random=chance,
            cannot=self._cannot_probe,
        )

    def reload(self, config: Config) -> None:
        """From the next request on. Requests under way finish as they began; endpoints that stay keep their health."""
        settings = self._settings(config)
        moved = _moved(self.gateway.settings.endpoints, settings.endpoints)
        self.config = config
        self.gateway.settings = settings
        self.gateway.cache = self._cache(config)
        self.gateway.health.retain(settings.endpoints)
        for endpoint in moved:
            self.gateway.health.reset(endpoint)
        self._subscribe(config)
        self.admin_state.apply(settings.endpoints)
        self.gateway.health.set_limits(config.limits)
        self.gateway.health.failure_threshold = config.health.failure_threshold
        self.gateway.health.recovery_s = config.health.recovery_seconds
        self.dry_router = self._dry_router(config)

    def _subscribe(self, config: Config) -> None:
        """Who is told of every request: only those who want to know."""
        self.gateway.watch = self._shadow.watch if config.routing.shadow.share else None
        affinity = self.gateway.settings.affinity
        self.sink.observe("session affinity", affinity.on_outcome if affinity else None)

    async def start(self) -> None:
        """The work in the background; without it everything else works too."""
        self._owner.start(
            "health probe", supervise("health probe", self.health_check.run, died=self._probe_died, clock=self.gateway.clock)
        )
        self._owner.start("shadow", supervise("shadow", self._shadow.run, died=self._probe_died, clock=self.gateway.clock))
        if self.scraper.exposition.is_shared:
            self._owner.start("metrics", supervise("metrics", self._share_metrics, died=self._probe_died, clock=self.gateway.clock))

    async def _share_metrics(self) -> None:
        while True:
            self.scraper.exposition.share()
            await asyncio.sleep(SHARING_S)

    async def stop(self) -> None:
        """Ends the background work, and every connection to an endpoint."""
        await self._owner.stop()
        self.sink.flush()
        await self._transport.close()

    def _cache(self, config: Config) -> ResponseCache | None:
        """A new one for every configuration: what a name means may have changed."""
        cache = config.cache
        if not cache.enabled:
            return None
        kinds = {endpoint.kind for endpoint in (*config.endpoints, *config.embedding)}
        return ResponseCache(
            ttl_s=cache.ttl_seconds,
            max_bytes=cache.max_bytes,
            max_entries=cache.max_entries,
            shared=cache.scope == "everyone",
            clock=self._clock,
            passes=frozenset(name for kind in kinds for name in self._vendors[kind].passes),
        )

    def _settings(self, config: Config) -> Settings:
        routing = config.routing
        asker = Asker(lambda: self.gateway, routing.router_tier, routing.router_timeout_s, new_id)
        router = STRATEGIES[routing.strategy](_setting(config), asker)
        return Settings(
            endpoints=(*config.endpoints, *config.embedding),
            router=router,
            affinity=self._affinity(config),
            cascade=Cascade(routing.cascade, router.scorer) if isinstance(router, CascadeRouter) else None,
            default_importance=routing.default_importance,
            retry=config.retry,
            context=ContextPolicy(**msgspec.structs.asdict(config.context)),
            policy=self._policy(config),
            policies={rule.policy: self._policy(config, rule.policy) for rule in routing.rules if rule.policy is not None},
            max_cost_usd=config.selection.max_cost_usd,
            rules=tuple(rule for rule in routing.rules if rule.enabled),
            allow_provider_prefix=routing.allow_provider_prefix,
            queue=config.queue,
        )

    def _affinity(self, config: Config) -> SessionAffinity:
        return SessionAffinity(
            sticky=config.routing.sticky,
            explore=config.routing.learned.explore,
            endpoints=config.endpoints,
            conversations=self._conversations,
            random=self._chance,
        )

    def _build_shadow(self, clock: Callable[[], float], wall: Callable[[], float]) -> ShadowMirror:
        def scorer() -> Scorer:
            return load_artefact(self.config.routing.learned.artefact)

        return ShadowMirror(
            lambda: self.config.routing.shadow,
            ShadowAsker(lambda: self.gateway, scorer, clock, new_id),
            clock=clock,
            wall=wall,
            random=self._chance,
            write=append,
            count=lambda result: self.metrics.count("octoroute_shadow_total", result),
            spent=lambda usd: self.metrics.count("octoroute_shadow_cost_usd_total", by=usd),
        )

    def _policy(self, config: Config, name: str | None = None) -> Policy:
        """The one of that name, else the configured one; what it has learnt survives a reload."""
        selection = config.selection
        by_order = name is None and selection.order != "endpoint"
        key = ("order", selection.order) if by_order else ("policy", name or selection.policy, selection.sticky_by)
        policy = self._policies.get(key)
        if policy is None:
            inputs = PolicyInputs(
                clock=self._clock,
                in_flight=self._in_flight,
                user_of=user_of,
                conversation_of=opening_of,
                sticky_by=selection.sticky_by,
            )
            build = ORDERS[selection.order] if by_order else POLICIES[name or selection.policy]
            policy = self._policies[key] = build(inputs)
        return policy

    def _in_flight(self, endpoint: Endpoint) -> int:
        return self._health.breaker(endpoint).in_flight

    def _dry_router(self, config: Config) -> Router:
        return STRATEGIES[config.routing.strategy](_setting(config), never_ask)

    def _record_settled(self) -> None:
        self.sink.flush()

    def _probe_died(self, how: str) -> None:
        self.metrics.count("octoroute_background_health_task_failures_total", how)

    def _cannot_probe(self, endpoint: Endpoint, error: Exception) -> None:
        self.metrics.count("octoroute_health_tracking_failures_total", endpoint.id, "probe_failed")
        log.error("endpoint cannot be probed", endpoint=endpoint.id, error=type(error).__name__)


def _moved(before: Iterable[Endpoint], now: Iterable[Endpoint]) -> list[Endpoint]:
    """Those of the same id that are another server now, or are spoken to with other credentials."""

    def whereabouts(endpoint: Endpoint) -> tuple[object, ...]:
        address = (endpoint.kind, endpoint.base_url, endpoint.model, endpoint.api_version, endpoint.tls, endpoint.proxy)
        return (*address, endpoint.api_key, endpoint.headers)

    old = {endpoint.id: whereabouts(endpoint) for endpoint in before}
    return [endpoint for endpoint in now if endpoint.id in old and old[endpoint.id] != whereabouts(endpoint)]


def _reason(decision: Decision) -> str:
    """For metric labels: from closed sets, the routers' reasons and the names of the operator's rules."""
    return decision.rule or STEERING_REASONS.get(decision.why) or reason(decision)


def _setting(config: Config) -> RouterSettings:
    routing = config.routing
    return RouterSettings(
        default_tier=routing.default_tier,
        router_tier=routing.router_tier,
        tier_descriptions=routing.tier_descriptions,
        learned=routing.learned,
        cascade=routing.cascade,
    )
