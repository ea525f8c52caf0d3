"""Tables of limits and budgets, and of what several processes share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from octoroute.config import rules
from octoroute.config.schema.terms import BudgetTable
from octoroute.domain import text_check
from octoroute.domain.endpoint import Secret
from octoroute.domain.option import Key, Table


class HolderTable(Table, frozen=True, kw_only=True):
    """Limits of one holder. They are reserved before a request is sent, and settled by what the provider counted."""

    requests_per_minute: Annotated[int, Key("requests per minute; 0 is no limit", low=0, high=1000000000)] = 0
    tokens_per_minute: Annotated[int, Key("tokens per minute; 0 is no limit", low=0, high=1000000000000)] = 0
    max_in_flight: Annotated[int, Key("concurrent requests; 0 is no limit", low=0, high=1000000)] = 0
    budget_usd: Annotated[BudgetTable | None, Key("USD that it may spend", example="{ day = 5.0, month = 100.0 }")] = None


class LimitsTable(Table, frozen=True, kw_only=True):
    """Limits and budgets beside those of keys: of everything, groups of keys, end users, models, providers, and tiers."""

    everything: Annotated[HolderTable | None, Key("all requests together", example="{ budget_usd = { month = 500.0 } }")] = None
    each_user: Annotated[
        HolderTable | None,
        Key("each end user, named by user_header or by the body's user field", example="{ requests_per_minute = 20 }"),
    ] = None
    groups: Annotated[
        Mapping[str, HolderTable],
        Key("by group of keys", check_name=text_check.label, example="{ research = { max_in_flight = 8 } }"),
    ] = {}
    users: Annotated[
        Mapping[str, HolderTable],
        Key("by end user, instead of each_user", check_name=text_check.label, example='{ "u-1" = { max_in_flight = 2 } }'),
    ] = {}
    models: Annotated[
        Mapping[str, HolderTable],
        Key("by configured name of a model", check_name=text_check.label, example='{ "gpt-5" = { max_in_flight = 4 } }'),
    ] = {}
    providers: Annotated[
        Mapping[str, HolderTable],
        Key("by name of a provider", check_name=text_check.label, example="{ openai = { budget_usd = { day = 20.0 } } }"),
    ] = {}
    tiers: Annotated[
        Mapping[str, HolderTable],
        Key("by tier", check_name=text_check.label, example="{ deep = { budget_usd = { day = 10.0 } } }"),
    ] = {}
    user_header: Annotated[
        str, Key("request header that names the end user; blank: the body's field only", fold=True, example='"x-user-id"')
    ] = ""
    pace_from: Annotated[
        float,
        Key("used share of a budget from which on requests for auto move to cheaper tiers; 1: never", low=0, high=1),
    ] = 1.0


class SharedTable(Table, frozen=True, kw_only=True):
    """What the processes of one gateway share: the state of limits and budgets."""

    url: Annotated[
        Secret | None,
        Key(
            "redis://, rediss://, postgresql://, or sqlite:///FILE; default: the memory of one process",
            check=rules.shared_url,
            example='"redis://127.0.0.1:6379/0"',
        ),
    ] = None
    replicas: Annotated[int, Key("processes among which limits are divided while it is down", low=1, high=10000)] = 1
    limits_if_down: Annotated[
        Literal["open", "closed"], Key("requests, tokens, and requests in flight: open admits this process's share of them")
    ] = "open"
    budgets_if_down: Annotated[
        Literal["open", "closed"], Key("money: closed admits no request that has a budget, open this process's share")
    ] = "closed"
