"""Everything a configuration decides about requests. Frozen; a reload replaces it as a whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import NamedTuple

import msgspec

from octoroute.balancing.policies import Policy, WeightedRandom
from octoroute.balancing.queue import QueueSettings
from octoroute.balancing.retry import RetryPolicy
from octoroute.domain.endpoint import Endpoint, Tier
from octoroute.domain.request import Importance
from octoroute.gateway.cascade import Cascade
from octoroute.gateway.context_window import ContextPolicy
from octoroute.routing.affinity import SessionAffinity
from octoroute.routing.rules import Rule
from octoroute.routing.strategies.base import Router

EMBEDDINGS = "embeddings"


class TierMatch(NamedTuple):
    """All endpoints of a tier, if any of them can answer a request of a certain shape that is small enough for all of them."""

    endpoints: tuple[Endpoint, ...]
    window: int | None
    """The smallest; None: nobody says."""


class Settings(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """Everything a configuration decides about requests; replaced as a whole by a reload.

    Frozen, so what follows from it is worked out once (`dict` has room for that, and a replaced settings begins with none of it).
    """

    endpoints: tuple[Endpoint, ...]
    router: Router
    default_importance: Importance = Importance.NORMAL
    retry: RetryPolicy = RetryPolicy()
    policy: Policy = WeightedRandom()
    policies: Mapping[str, Policy] = {}
    """Those that rules may ask for."""
    max_cost_usd: float | None = None
    rules: tuple[Rule, ...] = ()
    allow_provider_prefix: bool = True
    queue: QueueSettings = QueueSettings()
    context: ContextPolicy = ContextPolicy()
    cascade: Cascade | None = None
    affinity: SessionAffinity | None = None
    dry_run: bool = False
    """Only to explain: nobody is asked, and no lots are drawn."""

    def for_explanation(self, router: Router) -> Settings:
        """`router` must be one that asks nobody."""
        return msgspec.structs.replace(self, router=router, dry_run=True)

    @cached_property
    def _by_tier(self) -> Mapping[Tier, tuple[Endpoint, ...]]:
        return {tier: tuple(endpoint for endpoint in self.endpoints if endpoint.tier is tier) for tier in Tier}

    @cached_property
    def tier_matches(self) -> dict[tuple[Tier, str, bool, bool, bool], TierMatch | None]:
        """By tier, dialect, and whether tools, images, and JSON are needed; `planning` fills it. None: each must be looked at."""
        return {}

    @cached_property
    def _serving(self) -> Mapping[bool, Sequence[Endpoint]]:
        return {
            embeds: tuple(endpoint for endpoint in self.endpoints if (endpoint.tier is Tier.EMBEDDING) is embeds)
            for embeds in (False, True)
        }

    def tier(self, tier: Tier) -> tuple[Endpoint, ...]:
        return self._by_tier[tier]

    def serving(self, api: str) -> Sequence[Endpoint]:
        """Embeddings and everything else never share an endpoint."""
        return self._serving[api == EMBEDDINGS]

    def named(self, name: str, api: str = "chat") -> tuple[Endpoint, ...]:
        """By name, else by id, of those that serve `api`."""
        serving = self.serving(api)
        found = tuple(endpoint for endpoint in serving if endpoint.name == name)
        return found or tuple(endpoint for endpoint in serving if endpoint.id == name)

    def of_provider(self, name: str, api: str = "chat") -> tuple[Endpoint, ...]:
        return tuple(endpoint for endpoint in self.serving(api) if endpoint.provider == name)
