"""Tables that decide the tier of a request; the options of a strategy are defined beside it, in `routing`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from octoroute.config import rules
from octoroute.domain.endpoint import Tier
from octoroute.domain.option import Key, Table
from octoroute.domain.request import Importance
from octoroute.routing.cache_economics import StickyOptions
from octoroute.routing.difficulty.thresholds import LearnedOptions
from octoroute.routing.rules import Rule
from octoroute.routing.shadow import ShadowOptions
from octoroute.routing.strategies import CascadeOptions


class TierDescriptionsTable(Table, frozen=True, kw_only=True):
    """What each tier is for, in the prompt of the strategies llm and hybrid."""

    fast: Annotated[str, Key("description of the fast tier for the routing model", check=rules.description)] = (
        "small model: greetings, small talk, simple facts, short rewrites, classification, extraction"
    )
    balanced: Annotated[str, Key("description of the balanced tier for the routing model", check=rules.description)] = (
        "medium model: everyday questions, summaries, explanations, ordinary coding, multi-step instructions"
    )
    deep: Annotated[str, Key("description of the deep tier for the routing model", check=rules.description)] = (
        "large model: hard reasoning, proofs, architecture and difficult code, careful analysis, long creative work"
    )


class RouterTimeoutsTable(Table, frozen=True, kw_only=True):
    """Time limit of the routing request, by the tier that answers it (router_tier)."""

    fast: Annotated[float, Key("seconds if the fast tier answers the routing request", above=0, high=3600)] = 10.0
    balanced: Annotated[float, Key("seconds if the balanced tier answers the routing request", above=0, high=3600)] = 10.0
    deep: Annotated[float, Key("seconds if the deep tier answers the routing request", above=0, high=3600)] = 10.0


class RoutingTable(Table, frozen=True, kw_only=True):
    """How the tier of a request for `auto` is chosen."""

    strategy: Annotated[
        str,
        Key(
            "learned: by the estimated difficulty; cascade: a cheap response is checked first; rule: by fixed rules; "
            "llm: a model decides; hybrid: by rules, and a model decides where no rule applies",
            names="strategies",
            retired={"tool": "is not implemented"},
        ),
    ] = "learned"
    default_importance: Annotated[Importance, Key("importance of requests that do not state one")] = Importance.NORMAL
    default_tier: Annotated[Tier, Key("tier of a request if no rule matches or the routing model fails")] = Tier.BALANCED
    router_tier: Annotated[Tier, Key("tier whose models answer the routing request")] = Tier.BALANCED
    claude_aliases: Annotated[
        bool,
        Key("true lists claude-octoroute-auto, -fast, -balanced, and -deep to Anthropic clients, so that Claude Code offers them"),
    ] = False
    tiers: Annotated[TierDescriptionsTable, Key("descriptions of the tiers")] = TierDescriptionsTable()
    router_timeouts: Annotated[RouterTimeoutsTable, Key("time limits of the routing request")] = RouterTimeoutsTable()
    allow_provider_prefix: Annotated[
        bool, Key("true lets clients choose the provider, as `PROVIDER/MODEL` or with the header x-octoroute-provider")
    ] = True
    named_tiers_fall_over: Annotated[
        bool,
        Key("true lets another tier answer for a tier that a client named, when none of its endpoints can, as for auto"),
    ] = False
    rules: Annotated[
        tuple[Rule, ...], Key("[[routing.rules]]: applied in order before any strategy; the first rule that matches decides")
    ] = ()
    learned: Annotated[LearnedOptions, Key("options of the learned score")] = LearnedOptions()
    cascade: Annotated[CascadeOptions, Key("options of the strategy cascade")] = CascadeOptions()
    sticky: Annotated[StickyOptions, Key("session affinity")] = StickyOptions()
    shadow: Annotated[ShadowOptions, Key("shadow traffic")] = ShadowOptions()

    @property
    def tier_descriptions(self) -> Mapping[Tier, str]:
        return {Tier.FAST: self.tiers.fast, Tier.BALANCED: self.tiers.balanced, Tier.DEEP: self.tiers.deep}

    @property
    def router_timeout_s(self) -> float:
        limits = self.router_timeouts
        return {Tier.FAST: limits.fast, Tier.BALANCED: limits.balanced, Tier.DEEP: limits.deep}[self.router_tier]
