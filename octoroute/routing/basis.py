"""What routing decides by, of one configuration: the part of its settings that a decision record needs to repeat a decision."""

from __future__ import annotations

import msgspec

from octoroute.domain.endpoint import Tier
from octoroute.routing.cache_economics import StickyOptions
from octoroute.routing.difficulty.thresholds import Thresholds
from octoroute.routing.strategies.base import CascadeOptions


class RoutingBasis(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    strategy: str = ""
    """`routing.strategy`."""
    default_tier: Tier = Tier.BALANCED
    thresholds: Thresholds | None = None
    """Of the learned score; None: the strategy has none."""
    percentiles: tuple[float, ...] = ()
    """The difficulty at the 0th … 100th percentile, which a client's quality moves the thresholds by."""
    cascade: CascadeOptions | None = None
    sticky: StickyOptions | None = None
    explore: float = 0.0
    policy: str = ""
    """The name of the load balancing policy; one of `selection.order` is written `order NAME`."""
