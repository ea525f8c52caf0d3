"""Requests that count alike, added up in plain numbers until somebody reads the metrics. Pure; adding cannot fail half-way."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence

from octoroute.types import Endpoint, Outcome, Usage

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
ROUTING_MS = (0.1, 0.5, 1, 5, 10, 50, 100, 500, 1000)
RATIOS = (0.25, 0.5, 0.75, 0.9, 1, 1.1, 1.25, 1.5, 2, 4)
"""Upper bounds of buckets."""
_ABSURD = 10**15
"""So many tokens nobody has used; a float is still exact there."""


class Spread:
    """Measurements by the buckets they fall into, the last of which has no bound, and their sum."""

    __slots__ = ("_bounds", "counts", "sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def __bool__(self) -> bool:
        """Whether anything was measured."""
        return any(self.counts)

    def add(self, value: float) -> None:
        self.counts[bisect_left(self._bounds, value)] += 1
        self.sum += value


class Alike:
    """How many requests there were like `example`, and the sums of the numbers in which they differ."""

    __slots__ = (
        "cached_tokens",
        "cost_usd",
        "count",
        "endpoint",
        "example",
        "first_event_s",
        "input_tokens",
        "output_tokens",
        "ratio",
        "reasoning_tokens",
        "routing_ms",
        "total_s",
    )

    def __init__(self, example: Outcome, endpoint: Endpoint | None) -> None:
        self.example = example
        self.endpoint = endpoint
        self.count = self.input_tokens = self.output_tokens = self.cached_tokens = self.reasoning_tokens = 0
        self.cost_usd = 0.0
        self.routing_ms = Spread(ROUTING_MS)
        self.total_s = Spread(SECONDS)
        self.first_event_s = Spread(SECONDS)
        self.ratio = Spread(RATIOS)
        """Estimated over counted prompt tokens."""

    def add(self, outcome: Outcome, endpoint: Endpoint | None) -> None:
        """One that is `sensible`, and whose `key` is the same."""
        self.count += 1
        self.routing_ms.add(outcome.routing_s * 1000)
        self.total_s.add(outcome.total_s)
        if outcome.first_event_s is not None:
            self.first_event_s.add(outcome.first_event_s)
        usage = outcome.usage
        if usage is None or endpoint is None:
            return
        self.input_tokens += usage.input_tokens
        self.output_tokens += usage.output_tokens
        self.cached_tokens += usage.cached_tokens
        self.reasoning_tokens += usage.reasoning_tokens
        if endpoint.price is not None:
            self.cost_usd += usage.cost(endpoint.price)
        if usage.input_tokens and outcome.prompt_estimate and not usage.estimated:
            self.ratio.add(outcome.prompt_estimate / usage.input_tokens)

    @property
    def usage(self) -> Usage | None:
        """Of all of them."""
        if self.example.usage is None:
            return None
        return Usage(
            input_tokens=self.input_tokens,
            output_tokens=self.output_tokens,
            cached_tokens=self.cached_tokens,
            reasoning_tokens=self.reasoning_tokens,
            estimated=self.example.usage.estimated,
        )


def key(outcome: Outcome, endpoint: Endpoint | None) -> tuple[object, ...]:
    """The same for requests that have the same labels everywhere. `endpoint` answered, or was asked last."""
    decision, usage = outcome.decision, outcome.usage
    return (
        None if decision is None else (decision.tier, decision.by, decision.why, decision.rule),
        None if endpoint is None else (endpoint.id, endpoint.tier),
        outcome.ending,
        outcome.stream,
        None if usage is None else usage.estimated,
        at_once(outcome),
    )


def at_once(outcome: Outcome) -> bool:
    """Whether the first who was asked answered, as it nearly always is."""
    attempts = outcome.attempts
    return len(attempts) == 1 and attempts[0].error is None and attempts[0].rejected is None


def sensible(outcome: Outcome) -> bool:
    """Whether its numbers can be measurements; a clock that runs backwards makes some that cannot."""
    first_event_s, usage = outcome.first_event_s, outcome.usage
    return (
        0 <= outcome.total_s < math.inf
        and 0 <= outcome.routing_s < math.inf
        and (first_event_s is None or 0 <= first_event_s < math.inf)
        and (usage is None or _countable(usage))
    )


def _countable(usage: Usage) -> bool:
    return (
        0 <= usage.input_tokens < _ABSURD
        and 0 <= usage.output_tokens < _ABSURD
        and 0 <= usage.cached_tokens < _ABSURD
        and 0 <= usage.reasoning_tokens < _ABSURD
    )
