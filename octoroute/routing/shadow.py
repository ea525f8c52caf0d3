"""Options of shadow traffic, which labels requests with the tier that would have done; `gateway.shadow` obeys them."""

from __future__ import annotations

from typing import Annotated

from octoroute.domain import text_check
from octoroute.domain.endpoint import Tier
from octoroute.domain.option import Key, Table


class ShadowOptions(Table, frozen=True, kw_only=True):
    """Asks the other tiers the same question after the client has its answer, and keeps who was right: never text."""

    share: Annotated[float, Key("of the requests for `auto`; 0 turns it off", low=0, high=1)] = 0.0
    max_per_minute: Annotated[int, Key("requests that are looked at", low=1, high=100000)] = 6
    max_cost_per_day_usd: Annotated[float, Key("by the configured prices, judge included", low=0, high=1e6)] = 1.0
    judge_tier: Annotated[
        Tier | None, Key("compares two answers in both orders where nothing simpler decides", example='"deep"')
    ] = None
    path: Annotated[str, Key("a file of one JSON object a line, which is appended to", check=text_check.label)] = "shadow.ndjson"
