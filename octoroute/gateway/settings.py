"""The settings of the pipeline: everything that a configuration decides about requests, as one frozen snapshot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import NamedTuple, TypeAlias

import msgspec

from octoroute.access.account import Bookkeeper
from octoroute.access.restrictions import Classes, exclusion
from octoroute.balancing.policies import Policy, WeightedRandom
from octoroute.balancing.queue import QueueSettings
from octoroute.balancing.retry import RetryPolicy
from octoroute.domain.decision import Decision
from octoroute.domain.endpoint import CHAT_TIERS, OTHER_TIERS, Endpoint, Tier
from octoroute.domain.principal import Restrictions
from octoroute.domain.request import CHAT, Importance
from octoroute.domain.trace import PlanInputs
from octoroute.gateway.cascade import Cascade
from octoroute.gateway.context_editor import ContextEditor
from octoroute.gateway.context_window import ContextPolicy
from octoroute.gateway.response_cache import ResponseCache
from octoroute.gateway.shadow.mirror import ShadowMirror
from octoroute.routing.affinity import SessionAffinity
from octoroute.routing.aliases import Aliases
from octoroute.routing.basis import RoutingBasis
from octoroute.routing.rules import Rule
from octoroute.routing.strategies.base import Router

EMBEDDINGS = "embeddings"
MAX_RESTRICTED = 256
"""Restrictions whose settings are kept; others are made anew."""


PoolShape: TypeAlias = tuple[Tier, frozenset[str] | None, str | None, str | None, str, bool, bool, bool]
"""What requests of one `PoolMatch` have in common: tier, only, within, and policy of the decision; dialect; need of tools, images,
and JSON.
"""


class PoolMatch(NamedTuple):
    """The endpoints that a decision permits, if each of them can answer requests of one shape that fit the smallest window."""

    endpoints: list[Endpoint]
    window: int | None
    """Tokens of the smallest context window; None: no endpoint has a known one."""
    policy: Policy
    inputs: PlanInputs | None
    """Of each plan for it, if there is one endpoint only; None: the planner keeps none."""


class Settings(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """Everything that a configuration decides about requests; a reload replaces it as a whole.

    Because it is frozen, what follows from it is computed once. `dict` makes room for that; a replaced copy starts without it.
    """

    endpoints: tuple[Endpoint, ...]
    router: Router
    aliases: Aliases = Aliases()
    default_importance: Importance = Importance.NORMAL
    retry: RetryPolicy = RetryPolicy()
    policy: Policy = WeightedRandom()
    policies: Mapping[str, Policy] = {}
    """By name, the policies that rules ask for."""
    max_cost_usd: float | None = None
    named_tiers_fall_over: bool = False
    """A tier that a client names may be answered by another one, as a tier that the router chose."""
    rules: tuple[Rule, ...] = ()
    allow_provider_prefix: bool = True
    queue: QueueSettings = QueueSettings()
    context: ContextPolicy = ContextPolicy()
    context_editor: ContextEditor | None = None
    """None: histories are neither transformed nor summarized."""
    cascade: Cascade | None = None
    affinity: SessionAffinity | None = None
    cache: ResponseCache | None = None
    """None: responses are not cached."""
    bookkeeper: Bookkeeper | None = None
    """Reserves and settles limits and budgets; None: there are none."""
    shadow: ShadowMirror | None = None
    """None: no request is mirrored."""
    privacy_rules: tuple[Rule, ...] = ()
    """The rules with a privacy class: all that apply to a request restrict it, whatever else decides."""
    privacy_classes: Classes = {}
    """What `[privacy]` defines."""
    restrictions: Restrictions | None = None
    """What `endpoints` have been restricted to; None: they are all there are."""
    excluded: dict[str, str] = {}
    """By endpoint id, the constraint that excludes an endpoint which is not among `endpoints`."""
    basis: RoutingBasis = RoutingBasis()
    """What decision records need of the router and the policy, to repeat their decisions."""
    dry_run: bool = False
    """Explain only: ask no model, and make no random choice."""

    def for_explanation(self, router: Router) -> Settings:
        """`router` must not ask a model."""
        return msgspec.structs.replace(self, router=router, dry_run=True)

    def restricted(self, restrictions: Restrictions) -> Settings:
        """The settings with only the endpoints that `restrictions` leave. A private request is never mirrored."""
        known = self._restricted
        found = known.get(restrictions)
        if found is None:
            reasons = {endpoint.id: exclusion(restrictions, endpoint, self.privacy_classes) for endpoint in self.endpoints}
            excluded = {id: reason for id, reason in reasons.items() if reason is not None}
            found = msgspec.structs.replace(
                self,
                endpoints=tuple(endpoint for endpoint in self.endpoints if endpoint.id not in excluded),
                restrictions=restrictions,
                excluded=excluded,
                shadow=None if restrictions.privacy else self.shadow,
            )
            if len(known) >= MAX_RESTRICTED:
                del known[next(iter(known))]
            known[restrictions] = found
        return found

    @cached_property
    def _restricted(self) -> dict[Restrictions, Settings]:
        return {}

    @cached_property
    def _by_tier(self) -> Mapping[Tier, tuple[Endpoint, ...]]:
        return {tier: tuple(endpoint for endpoint in self.endpoints if endpoint.tier is tier) for tier in Tier}

    @cached_property
    def pool_matches(self) -> dict[PoolShape, PoolMatch | None]:
        """Filled by the planner. None: plan each endpoint on its own."""
        return {}

    @cached_property
    def named_decisions(self) -> dict[str, Decision]:
        """By a configured name of a chat model, the decision for clients that ask for it; filled by the resolver."""
        return {}

    @cached_property
    def _chat(self) -> Sequence[Endpoint]:
        return tuple(endpoint for endpoint in self.endpoints if endpoint.tier in CHAT_TIERS)

    def tier(self, tier: Tier) -> tuple[Endpoint, ...]:
        return self._by_tier[tier]

    def serving(self, api: str) -> Sequence[Endpoint]:
        """Endpoints of an interface: those of other kinds than chat have a tier of their own."""
        tier = OTHER_TIERS.get(api)
        return self._chat if tier is None else self._by_tier[tier]

    def named(self, name: str, api: str = CHAT) -> tuple[Endpoint, ...]:
        """Endpoints that serve `api`, by name, else by id."""
        serving = self.serving(api)
        found = tuple(endpoint for endpoint in serving if endpoint.name == name)
        return found or tuple(endpoint for endpoint in serving if endpoint.id == name)

    def of_provider(self, name: str, api: str = CHAT) -> tuple[Endpoint, ...]:
        return tuple(endpoint for endpoint in self.serving(api) if endpoint.provider == name)
