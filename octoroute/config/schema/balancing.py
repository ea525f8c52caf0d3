"""Tables that decide the endpoint of a request inside its tier, and how long an attempt may take."""

from __future__ import annotations

from typing import Annotated, Literal

from octoroute.domain.option import Key, Table


class SelectionTable(Table, frozen=True, kw_only=True):
    """Which endpoint of a tier is asked first."""

    policy: Annotated[str, Key("inside one priority", names="policies")] = "weighted"
    order: Annotated[
        Literal["endpoint", "priority", "round_robin", "random"],
        Key(
            "endpoint: by the priority of each, then by policy; priority, round_robin, random: one provider after the other, its "
            "models in file order"
        ),
    ] = "endpoint"
    sticky_by: Annotated[
        Literal["conversation", "user", "key"],
        Key("what policy sticky keeps at one endpoint; a request without user or key goes by its conversation"),
    ] = "conversation"
    max_cost_usd: Annotated[
        float | None, Key("endpoints that would probably cost more than this for one request are left out", above=0, example="0.50")
    ] = None


class HealthTable(Table, frozen=True, kw_only=True):
    """When an endpoint is left alone, and how it comes back."""

    interval_seconds: Annotated[
        float, Key("between background probes of {base_url}/models; 0 turns them off", low=0, high=86400)
    ] = 30.0
    failure_threshold: Annotated[int, Key("consecutive failures that open the circuit", low=1, high=1000)] = 3
    recovery_seconds: Annotated[float, Key("before an open endpoint gets one trial request", above=0, high=86400)] = 30.0


class TimeoutsTable(Table, frozen=True, kw_only=True):
    """request_timeout_seconds by tier. A whole answer must be there in time too, which a slow local model may need minutes for."""

    fast: Annotated[float | None, Key("seconds", low=1, high=3600, example="15")] = None
    balanced: Annotated[float | None, Key("seconds", low=1, high=3600, example="30")] = None
    deep: Annotated[float | None, Key("seconds", low=1, high=3600, example="60")] = None


class ContextTable(Table, frozen=True, kw_only=True):
    """What happens to a prompt that is too long for every endpoint's context_window, and how full windows are reported."""

    policy: Annotated[
        Literal["reject", "truncate", "off"],
        Key(
            "reject: 400 in the words that make agents compact themselves; truncate: the oldest exchanges are left out; off: "
            "windows are not looked at"
        ),
    ] = "reject"
    reserve_output: Annotated[
        Literal["requested", "none"], Key("requested: prompt and max_tokens together must fit; none: the prompt alone")
    ] = "requested"
    warn_at: Annotated[float, Key("share of the window above which x-octoroute-context says warning", low=0, high=1)] = 0.6
    critical_at: Annotated[float, Key("share above which it says critical", low=0, high=1)] = 0.8
    report: Annotated[
        Literal["headers", "body", "off"],
        Key("where context_info goes; body adds fields that strict clients may refuse"),
    ] = "headers"
