"""What a client may ask for and use, by key or by token."""

from __future__ import annotations

from typing import Annotated

from octoroute.config import rules
from octoroute.domain import text_check
from octoroute.domain.option import Key, Table


class BudgetTable(Table, frozen=True, kw_only=True):
    """USD that the client's requests may cost, by UTC day and month; 0: no limit."""

    day: Annotated[float, Key("USD a day; 0 is no limit", low=0, high=1e9)] = 0.0
    month: Annotated[float, Key("USD a month; 0 is no limit", low=0, high=1e9)] = 0.0


class TermsTable(Table, frozen=True, kw_only=True):
    """What each client of a table may ask for, and what it may use."""

    tiers: Annotated[
        tuple[str, ...], Key("tiers that may answer it; empty: every tier", names="tiers", example='["fast", "balanced"]')
    ] = ()
    models: Annotated[
        tuple[str, ...],
        Key("models that it may ask for: names, PROVIDER/NAME, or globs; empty: every model", check=text_check.label),
    ] = ()
    providers: Annotated[tuple[str, ...], Key("providers that may answer it; empty: every provider", check=text_check.label)] = ()
    regions: Annotated[
        tuple[str, ...],
        Key('regions of providers that may answer it, "eu" includes "eu-west-1"; empty: every one', check=rules.region_name),
    ] = ()
    privacy: Annotated[
        str, Key("privacy class that its requests never leave; see [privacy]", check=rules.region, example='"eu"')
    ] = ""
    requests_per_minute: Annotated[int, Key("requests per minute; 0 is no limit", low=0, high=1000000000)] = 0
    tokens_per_minute: Annotated[int, Key("tokens per minute; 0 is no limit", low=0, high=1000000000000)] = 0
    max_in_flight: Annotated[int, Key("concurrent requests; 0 is no limit", low=0, high=1000000)] = 0
    budget_usd: Annotated[BudgetTable | None, Key("USD that it may spend", example="{ day = 5.0, month = 100.0 }")] = None
