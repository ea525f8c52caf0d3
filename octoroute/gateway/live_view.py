"""What an operator sees of the requests under way: one row a request, made from its lifecycle at the moment of looking."""

from __future__ import annotations

from typing import Literal

import msgspec

from octoroute.domain.endpoint import Endpoint
from octoroute.domain.outcome import Usage
from octoroute.domain.price import to_usd
from octoroute.gateway.gateway import Gateway
from octoroute.gateway.lifecycle import RequestLifecycle, usage_of

MAX_MODEL_CHARS = 200
MIN_RATE_S = 0.2
"""A rate over less time than this says nothing."""


class LiveAttempt(msgspec.Struct, frozen=True):
    """An attempt that has ended. `error`: its code; None: a cascade looks at its answer."""

    endpoint: str
    error: str | None
    rejected: str | None


class LiveRow(msgspec.Struct, frozen=True, kw_only=True):
    """One request under way."""

    id: str
    key: str | None
    """The name of the client's key; None: keys are not used."""
    dialect: str
    """`routing`: the gateway's own question to a router model."""
    model: str
    """As the client asked for it."""
    stream: bool
    started_at: float
    """Seconds since the epoch."""
    state: Literal["deciding", "queued", "waiting", "answering"]
    """waiting: for an endpoint's first event, or between two attempts."""
    tier: str | None
    strategy: str | None
    why: str | None
    score: float | None
    queue_position: int | None
    """1 is served next; None: it is not in the queue."""
    endpoint: str | None
    """The one that is asked, or that answers; None: none now."""
    provider: str | None
    endpoint_model: str | None
    attempt: int
    """The number of the attempt under way, or of the one that answers; 0: no endpoint was asked."""
    max_attempts: int | None
    """None: every candidate once."""
    failed: tuple[LiveAttempt, ...]
    """Attempts before this one."""
    first_token_s: float | None
    """From the arrival of the request to its first event; None: there is none yet."""
    output_tokens: int
    tokens_per_second: float | None
    cost_usd: float | None
    """So far, of all attempts; None: no price is known."""
    estimated: bool
    """Tokens and cost are estimates: the provider counts at the end."""


class LiveView(msgspec.Struct, frozen=True, kw_only=True):
    """The requests under way in one process, newest first."""

    in_flight: int
    """All of them, those beyond the limit too."""
    queued: int
    requests: tuple[LiveRow, ...]


def live_view(gateway: Gateway, epoch_s: float, limit: int) -> LiveView:
    """At most `limit` rows. `epoch_s`: what the gateway's clock lacks to seconds since the epoch; equal in views to be compared."""
    positions = {id(request): at for at, request in enumerate(gateway.queue.order(), 1)} if gateway.queue.depth else {}
    found = gateway.live.newest(limit)
    rows = tuple(_row(gateway, lifecycle, epoch_s, positions.get(id(lifecycle))) for lifecycle in found)
    return LiveView(in_flight=len(gateway.live.running), queued=gateway.queue.depth, requests=rows)


def _row(gateway: Gateway, lifecycle: RequestLifecycle, epoch_s: float, position: int | None) -> LiveRow:
    now, request, decision, lease = gateway.clock(), lifecycle.request, lifecycle.decision, lifecycle.lease
    first_at, response = lifecycle.first_event_at, lifecycle.response
    endpoint = response.endpoint if response is not None else lease.endpoint if lease is not None else None
    usage = None if response is None else usage_of(response, request)
    tokens = 0 if usage is None or response is None else max(usage.output_tokens, response.progress.output_chars // 4)
    answering_s = 0.0 if first_at is None else now - first_at
    ended = lifecycle.attempts if response is None else lifecycle.attempts[:-1]
    return LiveRow(
        id=request.id,
        key=request.key_name,
        dialect=request.dialect,
        model=request.model[:MAX_MODEL_CHARS],
        stream=request.stream,
        started_at=round(epoch_s + lifecycle.started_at, 3),
        state=_state(lifecycle, position),
        tier=None if decision is None else decision.tier,
        strategy=None if decision is None else decision.by,
        why=None if decision is None else decision.why,
        score=None if decision is None else decision.confidence,
        queue_position=position,
        endpoint=endpoint and endpoint.id,
        provider=endpoint and endpoint.provider,
        endpoint_model=endpoint and endpoint.model,
        attempt=len(lifecycle.attempts) + (response is None and lease is not None),
        max_attempts=gateway.settings.retry.max_attempts or None,
        failed=tuple(LiveAttempt(attempt.endpoint.id, attempt.error, attempt.rejected) for attempt in ended),
        first_token_s=None if first_at is None else round(first_at - lifecycle.started_at, 3),
        output_tokens=tokens,
        tokens_per_second=round(tokens / answering_s, 1) if tokens and answering_s >= MIN_RATE_S else None,
        cost_usd=_cost_usd(lifecycle, endpoint, tokens, usage),
        estimated=usage is None or usage.estimated or tokens > usage.output_tokens,
    )


def _state(lifecycle: RequestLifecycle, position: int | None) -> Literal["deciding", "queued", "waiting", "answering"]:
    if position is not None:
        return "queued"
    if lifecycle.decision is None:
        return "deciding"
    return "answering" if lifecycle.response is not None else "waiting"


def _cost_usd(lifecycle: RequestLifecycle, endpoint: Endpoint | None, tokens: int, usage: Usage | None) -> float | None:
    """Of the attempts that ended, and of the one under way as far as it has come: its prompt at least."""
    costs = [attempt.cost_micros for attempt in lifecycle.attempts if attempt.cost_micros is not None]
    if endpoint is not None and endpoint.price is not None:
        so_far = usage or Usage(input_tokens=lifecycle.request.facts.context_tokens)
        costs.append(msgspec.structs.replace(so_far, output_tokens=max(tokens, so_far.output_tokens)).cost_micros(endpoint.price))
    return to_usd(sum(costs)) if costs else None
