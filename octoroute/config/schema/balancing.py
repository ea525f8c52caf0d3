"""Tables that decide the endpoint of a request inside its tier, and how long an attempt may take."""

from __future__ import annotations

from typing import Annotated, Literal

from octoroute.domain.option import Key, Table


class SelectionTable(Table, frozen=True, kw_only=True):
    """Which endpoint of a tier is tried first."""

    policy: Annotated[str, Key("load balancing among endpoints of the same priority", names="policies")] = "weighted"
    order: Annotated[
        Literal["endpoint", "priority", "round_robin", "random"],
        Key(
            "endpoint: by priority, then by policy; priority, round_robin, random: one provider after the other, its "
            "models in file order"
        ),
    ] = "endpoint"
    sticky_by: Annotated[
        Literal["conversation", "user", "key"],
        Key("what the policy sticky binds to one endpoint; a request without user or key is bound by its conversation"),
    ] = "conversation"
    max_cost_usd: Annotated[
        float | None, Key("endpoints whose estimated cost for the request is higher, in USD, are excluded", above=0, example="0.50")
    ] = None


class HealthTable(Table, frozen=True, kw_only=True):
    """When an endpoint is taken out of use, and how it returns."""

    interval_seconds: Annotated[
        float,
        Key("time between background probes of {base_url}/models, one per address and key; 0 turns them off", low=0, high=86400),
    ] = 30.0
    failure_threshold: Annotated[
        int, Key("failed requests in a row that open the circuit; several attempts of one request count once", low=1, high=1000)
    ] = 3
    recovery_seconds: Annotated[
        float,
        Key(
            "longest time until an endpoint with an open circuit gets one trial request; the first wait is 1 s, then doubling",
            above=0,
            high=86400,
        ),
    ] = 30.0


class TimeoutsTable(Table, frozen=True, kw_only=True):
    """request_timeout_seconds by tier. It covers all of a non-streaming response, which may take a slow local model minutes."""

    fast: Annotated[float | None, Key("seconds for the fast tier", low=1, high=3600, example="15")] = None
    balanced: Annotated[float | None, Key("seconds for the balanced tier", low=1, high=3600, example="30")] = None
    deep: Annotated[float | None, Key("seconds for the deep tier", low=1, high=3600, example="60")] = None


class ContextTable(Table, frozen=True, kw_only=True):
    """What happens to a prompt that is too long for every endpoint's context_window, and how the use of the window is reported."""

    policy: Annotated[
        Literal["reject", "truncate", "summarize", "off"],
        Key(
            "reject: status 400 in the form that makes agents compact; truncate: the oldest exchanges are removed; summarize: the "
            "fast tier condenses them; off: windows are ignored"
        ),
    ] = "reject"
    reserve_output: Annotated[
        Literal["requested", "none"], Key("requested: prompt and max_tokens must fit together; none: only the prompt must fit")
    ] = "requested"
    warn_at: Annotated[float, Key("share of the window above which x-octoroute-context reports warning", low=0, high=1)] = 0.6
    critical_at: Annotated[float, Key("share of the window above which x-octoroute-context reports critical", low=0, high=1)] = 0.8
    report: Annotated[
        Literal["headers", "body", "off"],
        Key("where context_info is reported; body adds fields that strict clients may reject"),
    ] = "headers"
    transforms: Annotated[
        tuple[Literal["dedupe_environment", "age_images"], ...],
        Key(
            "changes to every history without signed thinking; dedupe_environment: of an agent's environment blocks only the "
            "latest stays; age_images: older images become their description",
            example='["dedupe_environment"]',
        ),
    ] = ()
    image_turns: Annotated[
        int, Key("age_images: an image is older once so many messages of the user have followed it", low=1, high=1000)
    ] = 3
    condense_timeout_seconds: Annotated[
        float, Key("seconds that the fast tier has for all summaries, or all descriptions, of one request", low=1, high=600)
    ] = 30.0
