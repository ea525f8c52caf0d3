"""Options of shadow traffic, which labels requests with the tier that would have done; `gateway.shadow` obeys them."""

from __future__ import annotations

from typing import Annotated

from octoroute.domain import text_check
from octoroute.domain.endpoint import Tier
from octoroute.domain.option import Key, Table


class ShadowOptions(Table, frozen=True, kw_only=True):
    """Shadow traffic: once the client has its response, the other tiers get the same request.

    Only which tiers were right is kept, never text.
    """

    share: Annotated[
        float, Key("share of the requests for `auto` that are mirrored; 0 turns shadow traffic off", low=0, high=1)
    ] = 0.0
    max_per_minute: Annotated[int, Key("largest number of mirrored requests per minute", low=1, high=100000)] = 6
    max_cost_per_day_usd: Annotated[
        float, Key("daily limit by the configured prices, including the judge's cost", low=0, high=1e6)
    ] = 1.0
    judge_tier: Annotated[
        Tier | None, Key("tier that compares two responses, in both orders, where no simpler check decides", example='"deep"')
    ] = None
    path: Annotated[str, Key("file to append to, one JSON object per line", check=text_check.label)] = "shadow.ndjson"
