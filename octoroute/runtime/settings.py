"""Builds the pipeline's settings from a configuration, and keeps what a reload must not reset.

Of one configuration to the next survive the state of load balancing policies, the memory of conversations, summaries of
histories, and the shadow mirror with its budget.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from typing import Any

import msgspec

from octoroute.balancing.health import HealthRegistry
from octoroute.balancing.policies import ORDERS, POLICIES, Policy, PolicyInputs
from octoroute.config.schema import Config
from octoroute.dialects.request.identity import opening_of, user_of
from octoroute.domain.endpoint import Endpoint
from octoroute.domain.ids import new_id
from octoroute.gateway.cascade import Cascade
from octoroute.gateway.condenser import Condenser
from octoroute.gateway.context_editor import ContextEditor
from octoroute.gateway.context_window import ContextPolicy
from octoroute.gateway.gateway import Gateway
from octoroute.gateway.internal_calls import InternalCalls, RoutingModel
from octoroute.gateway.response_cache import ResponseCache
from octoroute.gateway.settings import Settings
from octoroute.gateway.shadow.mirror import ShadowMirror, append
from octoroute.gateway.shadow.worker import ShadowWorker
from octoroute.routing.affinity import SessionAffinity
from octoroute.routing.aliases import Aliases
from octoroute.routing.basis import RoutingBasis
from octoroute.routing.cache_economics import ConversationMemory
from octoroute.routing.difficulty.model import Scorer
from octoroute.routing.difficulty.model import load as load_artefact
from octoroute.routing.strategies import STRATEGIES, Router, RouterSettings, never_ask
from octoroute.routing.strategies.cascade import CascadeRouter
from octoroute.routing.strategies.learned import LearnedRouter
from octoroute.runtime.limits import Budgets
from octoroute.runtime.replicas import ReplicaReport, Replicas
from octoroute.store.replica_board import RedisBoard
from octoroute.telemetry.metrics import Metrics
from octoroute.upstream.providers.plugins import ProviderRegistry


class SettingsBuilder:
    def __init__(
        self,
        *,
        gateway: Callable[[], Gateway],
        config: Callable[[], Config],
        health: HealthRegistry,
        metrics: Metrics,
        budgets: Budgets,
        providers: ProviderRegistry,
        clock: Callable[[], float],
        wall: Callable[[], float],
        random: Callable[[], float],
    ) -> None:
        """`gateway` and `config` return the running ones; they are called once a request needs them, not here."""
        self._health = health
        self._config = config
        self.budgets = budgets
        self._providers = providers
        self._clock = clock
        self._random = random
        self._policies: dict[tuple[str, ...], Policy] = {}
        self._conversations = ConversationMemory(clock)
        self.replicas = self._share(config(), gateway)
        self._calls = InternalCalls(gateway, new_id)
        self._editor = ContextEditor(Condenser(self._calls))

        def scorer() -> Scorer:
            return load_artefact(config().routing.learned.artefact)

        self.shadow = ShadowMirror(
            lambda: config().routing.shadow,
            ShadowWorker(gateway, self._calls, scorer, clock),
            clock=clock,
            wall=wall,
            random=random,
            write=append,
            count=lambda result: metrics.count("octoroute_shadow_total", result),
            spent=lambda usd: metrics.count("octoroute_shadow_cost_usd_total", by=usd),
        )

    def _share(self, config: Config, gateway: Callable[[], Gateway]) -> Replicas | None:
        """None: there is no place where replicas could hear of each other."""
        url = "" if config.shared.url is None else config.shared.url.reveal()
        if not url.startswith(("redis://", "rediss://")):
            return None
        return Replicas(
            RedisBoard(url, new_id()),
            self._health,
            self._conversations,
            endpoints=lambda: gateway().settings.endpoints,
            queued=lambda: gateway().queue.depth,
            sticky=lambda: self._config().routing.sticky,
            clock=self._clock,
        )

    def tasks(self) -> Iterator[tuple[str, Callable[[], Coroutine[Any, Any, None]]]]:
        """What runs in the background, by name."""
        yield "shadow", self.shadow.run
        if self.replicas is not None:
            yield "replicas", self.replicas.run

    @property
    def others(self) -> Sequence[ReplicaReport]:
        """Of the other replicas."""
        return () if self.replicas is None else self.replicas.reports

    def build(self, config: Config) -> Settings:
        routing = config.routing
        context = ContextPolicy(**msgspec.structs.asdict(config.context))
        model = RoutingModel(self._calls, routing.router_tier, routing.router_timeout_s)
        router = STRATEGIES[routing.strategy](_router_settings(config), model)
        return Settings(
            endpoints=(*config.endpoints, *config.other_endpoints),
            router=router,
            aliases=Aliases(config.aliases),
            affinity=self._affinity(config),
            cascade=Cascade(routing.cascade, router.scorer) if isinstance(router, CascadeRouter) else None,
            default_importance=routing.default_importance,
            retry=config.retry,
            context=context,
            context_editor=self._editor if context.transforms or context.policy == "summarize" else None,
            policy=self._policy(config),
            policies={rule.policy: self._policy(config, rule.policy) for rule in routing.rules if rule.policy is not None},
            max_cost_usd=config.selection.max_cost_usd,
            named_tiers_fall_over=routing.named_tiers_fall_over,
            rules=tuple(rule for rule in routing.rules if rule.enabled and rule.decides),
            privacy_rules=tuple(rule for rule in routing.rules if rule.enabled and rule.privacy is not None),
            privacy_classes={name.lower(): frozenset(regions) for name, regions in config.privacy.items()},
            allow_provider_prefix=routing.allow_provider_prefix,
            queue=config.queue,
            cache=self._cache(config),
            bookkeeper=self.budgets.bookkeeper(config),
            shadow=self.shadow if routing.shadow.share else None,
            basis=_basis(config, router),
        )

    def _cache(self, config: Config) -> ResponseCache | None:
        """A new cache for every configuration, because the meaning of a model name may have changed."""
        cache = config.cache
        if not cache.enabled:
            return None
        kinds = {endpoint.kind for endpoint in (*config.endpoints, *config.other_endpoints)}
        return ResponseCache(
            ttl_s=cache.ttl_seconds,
            max_bytes=cache.max_bytes,
            max_entries=cache.max_entries,
            shared=cache.scope == "everyone",
            clock=self._clock,
            passes=frozenset(name for kind in kinds for name in self._providers[kind].passes),
        )

    def _affinity(self, config: Config) -> SessionAffinity:
        return SessionAffinity(
            sticky=config.routing.sticky,
            explore=config.routing.learned.explore,
            endpoints=config.endpoints,
            conversations=self._conversations,
            random=self._random,
        )

    def _policy(self, config: Config, name: str | None = None) -> Policy:
        """The policy of that name, or the configured one; its state survives a reload."""
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
        """Of all replicas, as far as is known."""
        others = self.replicas.in_flight.get(endpoint.id, 0) if self.replicas is not None else 0
        return self._health.breaker(endpoint).in_flight + others


def _basis(config: Config, router: Router) -> RoutingBasis:
    routing, order = config.routing, config.selection.order
    learned = router.learned if isinstance(router, CascadeRouter) else router
    scores = isinstance(learned, LearnedRouter)
    return RoutingBasis(
        strategy=routing.strategy,
        default_tier=routing.default_tier,
        thresholds=learned.thresholds if scores else None,
        percentiles=tuple(learned.scorer.model.percentiles) if scores else (),
        cascade=routing.cascade if routing.strategy == "cascade" else None,
        sticky=routing.sticky,
        explore=routing.learned.explore,
        policy=config.selection.policy if order == "endpoint" else f"order {order}",
    )


def dry_router(config: Config) -> Router:
    """The configured strategy without its routing model, to explain decisions."""
    return STRATEGIES[config.routing.strategy](_router_settings(config), never_ask)


def _router_settings(config: Config) -> RouterSettings:
    routing = config.routing
    return RouterSettings(
        default_tier=routing.default_tier,
        router_tier=routing.router_tier,
        tier_descriptions=routing.tier_descriptions,
        learned=routing.learned,
        cascade=routing.cascade,
    )


def moved_endpoints(before: Iterable[Endpoint], after: Iterable[Endpoint]) -> list[Endpoint]:
    """Endpoints that keep their id, but are another server now or use other credentials."""

    def target(endpoint: Endpoint) -> tuple[object, ...]:
        address = (endpoint.kind, endpoint.base_url, endpoint.model, endpoint.api_version, endpoint.tls, endpoint.proxy)
        return (*address, endpoint.api_key, endpoint.oauth2, endpoint.headers)

    old = {endpoint.id: target(endpoint) for endpoint in before}
    return [endpoint for endpoint in after if endpoint.id in old and old[endpoint.id] != target(endpoint)]
