"""The catalog of Prometheus metrics: each metric's name, labels, help text and buckets. docs/operations.md is generated from it.

A label's values come from closed sets or from the configuration, never from a client.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
ROUTING_MS = (0.1, 0.5, 1, 5, 10, 50, 100, 500, 1000)
RATIOS = (0.25, 0.5, 0.75, 0.9, 1, 1.1, 1.25, 1.5, 2, 4)
"""Upper bounds of histogram buckets, without the last one, which has none."""


class MetricSpec(NamedTuple):
    name: str
    labels: tuple[str, ...]
    help: str
    buckets: tuple[float, ...] | None = None
    """A histogram's upper bounds; None: a counter or a gauge."""


GaugeSample: TypeAlias = tuple[str, tuple[str, ...], float]
"""A name of `GAUGES`, the values of its labels, and the value."""

TABLE: tuple[MetricSpec, ...] = (
    # names and meanings of version 1
    MetricSpec(
        "octoroute_requests_total",
        ("tier", "strategy"),
        "Requests with a routing decision, by tier and by the strategy that decided (client: the request named a tier or model).",
    ),
    MetricSpec(
        "octoroute_routing_duration_ms",
        ("strategy",),
        "Time to decide the tier, in milliseconds; without requests that named a tier or model.",
        ROUTING_MS,
    ),
    MetricSpec("octoroute_model_invocations_total", ("tier",), "Responses delivered completely."),
    MetricSpec("octoroute_mid_stream_failures_total", ("endpoint",), "Responses that failed after their first event."),
    MetricSpec("octoroute_health_tracking_failures_total", ("endpoint", "error_type"), "Health probes that could not be made."),
    MetricSpec("octoroute_metrics_recording_failures_total", ("operation",), "Outcomes that could not be recorded."),
    MetricSpec("octoroute_background_health_task_failures_total", ("failure_type",), "Restarts of a failed background task."),
    MetricSpec("octoroute_clock_errors_total", (), "Wall clock readings before 1970."),
    # since version 2
    MetricSpec(
        "octoroute_outcomes_total",
        ("endpoint", "outcome"),
        "Requests by outcome and by the endpoint that answered (if none did: the last one tried).",
    ),
    MetricSpec(
        "octoroute_attempts_total",
        ("endpoint", "error"),
        "Attempts by endpoint and error code; empty: it answered; abandoned: the client disconnected.",
    ),
    MetricSpec("octoroute_retries_total", ("endpoint",), "Attempts after a request's first one; without escalations of a cascade."),
    MetricSpec(
        "octoroute_fallbacks_total",
        ("tier",),
        "Requests answered by another endpoint than the first one tried; without escalations of a cascade.",
    ),
    MetricSpec(
        "octoroute_request_duration_seconds", ("tier", "stream"), "From the request's arrival to the end of its response.", SECONDS
    ),
    MetricSpec(
        "octoroute_first_event_seconds", ("tier",), "From the request's arrival to the first event of its response.", SECONDS
    ),
    MetricSpec("octoroute_tokens_total", ("endpoint", "kind"), "Tokens by kind: input, output, cached, reasoning, estimated."),
    MetricSpec("octoroute_cost_usd_total", ("endpoint",), "Cost in USD by the configured prices."),
    MetricSpec(
        "octoroute_routing_decisions_total", ("strategy", "tier", "reason"), "Routing decisions by strategy, tier and reason."
    ),
    MetricSpec(
        "octoroute_traffic_log_dropped_total", (), "Requests missing from the traffic log because its queue or its disk was full."
    ),
    MetricSpec(
        "octoroute_context_levels_total",
        ("endpoint", "level"),
        "Requests whose prompt filled the context window to a warning level.",
    ),
    MetricSpec(
        "octoroute_context_shortened_total",
        ("endpoint", "what"),
        "Requests shortened to fit the context window: max_tokens lowered, history truncated or summarized, or transformed.",
    ),
    MetricSpec(
        "octoroute_prompt_estimate_ratio",
        ("endpoint",),
        "Estimated prompt tokens divided by the prompt tokens that the provider reported.",
        RATIOS,
    ),
    MetricSpec("octoroute_queue_wait_seconds", ("ending",), "Time in the queue, of requests that had to wait.", SECONDS),
    MetricSpec(
        "octoroute_cascade_total",
        ("result", "check"),
        "Requests that a cascade sent to its cheaper tier first, by result (kept, escalated, fell_back, unavailable) "
        "and by the check that the cheaper answer failed.",
    ),
    MetricSpec(
        "octoroute_shadow_total",
        ("result",),
        "Requests sampled for shadow evaluation, by result: labelled, undecided, incomplete, failed, dropped.",
    ),
    MetricSpec("octoroute_shadow_cost_usd_total", (), "Cost in USD of the requests that shadow evaluation makes, judge included."),
    MetricSpec("octoroute_limit_refusals_total", ("holder", "resource"), "Refusals by a limit or budget, by kind of holder."),
    MetricSpec("octoroute_cache_total", ("result",), "Requests by result of the response cache: hit, miss, bypass."),
    MetricSpec(
        "octoroute_history_entries_total",
        ("result",),
        "Requests by what became of their history: written to the database; spooled to disk while it was away; lost. "
        "without_body: a body was not kept, because too many wait.",
    ),
    MetricSpec("octoroute_client_errors_total", ("code",), "Requests rejected before any endpoint was tried, by error code."),
)
"""Counters and histograms."""

GAUGES: tuple[MetricSpec, ...] = (
    MetricSpec("octoroute_inflight_requests", (), "Requests in progress."),
    MetricSpec("octoroute_queue_depth", (), "Requests waiting in the queue."),
    MetricSpec("octoroute_limits_store_down", (), "1 while the store of shared limits and budgets cannot be reached, else 0."),
    MetricSpec(
        "octoroute_other_replicas", (), "Other processes that share the Redis of [shared] url, and were heard of in the last 3 s."
    ),
    MetricSpec("octoroute_other_replicas_inflight_requests", (), "Requests in progress there."),
    MetricSpec("octoroute_other_replicas_queue_depth", (), "Requests waiting in the queues there."),
    MetricSpec("octoroute_endpoint_inflight", ("endpoint",), "Requests in progress at the endpoint."),
    MetricSpec("octoroute_circuit_state", ("endpoint",), "State of the endpoint's circuit: 0 closed, 1 half-open, 2 open."),
    MetricSpec("octoroute_endpoint_failures", ("endpoint",), "Consecutive failures of the endpoint."),
)

SUMMED_GAUGES = frozenset({"octoroute_inflight_requests", "octoroute_endpoint_inflight", "octoroute_queue_depth"})
"""Gauges that are added up over workers; of the others the highest value of any worker counts."""
