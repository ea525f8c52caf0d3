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
    """What each tier is for, told to the router model."""

    fast: Annotated[str, Key("short text", check=rules.description)] = (
        "small model: greetings, small talk, simple facts, short rewrites, classification, extraction"
    )
    balanced: Annotated[str, Key("short text", check=rules.description)] = (
        "medium model: everyday questions, summaries, explanations, ordinary coding, multi-step instructions"
    )
    deep: Annotated[str, Key("short text", check=rules.description)] = (
        "large model: hard reasoning, proofs, architecture and difficult code, careful analysis, long creative work"
    )


class RouterTimeoutsTable(Table, frozen=True, kw_only=True):
    """Seconds that the routing question may take, by the tier that answers it."""

    fast: Annotated[float, Key("seconds", above=0, high=3600)] = 10.0
    balanced: Annotated[float, Key("seconds", above=0, high=3600)] = 10.0
    deep: Annotated[float, Key("seconds", above=0, high=3600)] = 10.0


class RoutingTable(Table, frozen=True, kw_only=True):
    """Who decides the tier of a request for `auto`."""

    strategy: Annotated[
        str,
        Key(
            "learned: by how hard the work looks; cascade: a cheap answer is checked first; rule: by fixed rules; "
            "llm: a model is asked; hybrid: rules first, the model for what they leave open",
            names="strategies",
            retired={"tool": "is not implemented"},
        ),
    ] = "hybrid"
    default_importance: Annotated[Importance, Key("for requests that do not say theirs")] = Importance.NORMAL
    default_tier: Annotated[Tier, Key("when no rule matches, or the router model failed")] = Tier.BALANCED
    router_tier: Annotated[Tier, Key("which tier answers the routing question")] = Tier.BALANCED
    claude_aliases: Annotated[
        bool, Key("list claude-octoroute-auto, -fast, -balanced, -deep to Anthropic clients, so that Claude Code offers them")
    ] = False
    tiers: Annotated[TierDescriptionsTable, Key("what each tier is for")] = TierDescriptionsTable()
    router_timeouts: Annotated[RouterTimeoutsTable, Key("time limits of the routing question")] = RouterTimeoutsTable()
    allow_provider_prefix: Annotated[
        bool, Key("clients may choose the provider, as `PROVIDER/MODEL` or with the header x-octoroute-provider")
    ] = True
    rules: Annotated[
        tuple[Rule, ...], Key("[[routing.rules]]: before anything else decides, in order; the first that applies wins")
    ] = ()
    learned: Annotated[LearnedOptions, Key("the learned score")] = LearnedOptions()
    cascade: Annotated[CascadeOptions, Key("the checks of a cheap answer")] = CascadeOptions()
    sticky: Annotated[StickyOptions, Key("conversations keep their tier")] = StickyOptions()
    shadow: Annotated[ShadowOptions, Key("labels from one's own traffic")] = ShadowOptions()

    @property
    def tier_descriptions(self) -> Mapping[Tier, str]:
        return {Tier.FAST: self.tiers.fast, Tier.BALANCED: self.tiers.balanced, Tier.DEEP: self.tiers.deep}

    @property
    def router_timeout_s(self) -> float:
        limits = self.router_timeouts
        return {Tier.FAST: limits.fast, Tier.BALANCED: limits.balanced, Tier.DEEP: limits.deep}[self.router_tier]
