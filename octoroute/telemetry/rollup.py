"""Requests that count alike, added up in plain numbers until somebody reads the metrics or the statistics. Pure."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Sequence
from math import ceil, inf, log
from typing import Literal

from octoroute.domain.endpoint import Endpoint
from octoroute.domain.outcome import Outcome, Usage
from octoroute.telemetry.metric_catalog import RATIOS, ROUTING_MS, SECONDS

PERCENTILE_ERROR = 0.01
"""A percentile is off by at most this share of itself."""

_GROWTH = (1 + PERCENTILE_ERROR) / (1 - PERCENTILE_ERROR)
_PER_LOG = 1 / log(_GROWTH)
_SMALLEST_S = 1e-6
_FIRST = ceil(log(_SMALLEST_S) * _PER_LOG)
_ABSURD = 2**50
"""So many tokens nobody has used; a float is still exact there."""


class BucketCounts:
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


class DDSketch:
    """A histogram with buckets that grow by the same factor, each answering with a value at most 1 % off: two of them add up.

    Source: Masson, Rim and Lee, DDSketch, VLDB 2019. Seconds from a microsecond on; what is shorter counts as one.
    """

    __slots__ = ("_buckets", "count", "sum_s")

    def __init__(self) -> None:
        self._buckets: defaultdict[int, int] = defaultdict(int)
        self.count = 0
        self.sum_s = 0.0

    def add(self, seconds: float) -> None:
        self._buckets[ceil(log(seconds) * _PER_LOG) if seconds > _SMALLEST_S else _FIRST] += 1
        self.count += 1
        self.sum_s += seconds

    def merge(self, other: DDSketch) -> None:
        for at, count in other._buckets.items():
            self._buckets[at] += count
        self.count += other.count
        self.sum_s += other.sum_s

    @property
    def mean_s(self) -> float | None:
        return self.sum_s / self.count if self.count else None

    def percentile_s(self, share: float) -> float | None:
        """The smallest value that `share` of all do not exceed; None when there are none."""
        rank = max(1, ceil(share * self.count))
        seen = 0
        for at in sorted(self._buckets):
            seen += self._buckets[at]
            if seen >= rank:
                return 2 * _GROWTH**at / (_GROWTH + 1)
        return None


class Rollup:
    """How many requests there were like `example`, and the sums of the numbers in which they differ."""

    __slots__ = (
        "cached_tokens",
        "cost_usd",
        "count",
        "endpoint",
        "example",
        "first_attempt_ok",
        "first_event_s",
        "input_tokens",
        "last_at",
        "line",
        "output_tokens",
        "ratio",
        "reasoning_tokens",
        "routing_ms",
        "spent_usd",
        "times",
        "times_asked",
        "total_s",
    )

    def __init__(self, example: Outcome, endpoint: Endpoint | None) -> None:
        self.example = example
        self.endpoint = endpoint
        """Who answered, or was asked last."""
        self.first_attempt_ok = _failure(example, endpoint) is None
        """The first who was asked answered, as it nearly always is."""
        self.count = self.input_tokens = self.output_tokens = self.cached_tokens = self.reasoning_tokens = 0
        self.cost_usd = 0.0
        """Of the answers,"""
        self.spent_usd = 0.0
        """and with what was asked for beside them."""
        self.routing_ms = BucketCounts(ROUTING_MS)
        self.total_s = BucketCounts(SECONDS)
        self.first_event_s = BucketCounts(SECONDS)
        self.ratio = BucketCounts(RATIOS)
        """Estimated over counted prompt tokens."""
        self.times = DDSketch()
        """Of the requests,"""
        self.times_asked = DDSketch()
        """and of the endpoint, which did not hear of them at once."""
        self.last_at = 0.0
        """Wall clock, seconds since the epoch."""
        self.line: bytes | None = None
        """What their log lines have in common, once somebody has worked it out."""

    def add(self, outcome: Outcome, endpoint: Endpoint | None, at: float) -> None:
        """One of the same `key`. Raises ValueError when its times or tokens are no measurements, and adds nothing then."""
        total_s, first_event_s, routing_s, usage = outcome.total_s, outcome.first_event_s, outcome.routing_s, outcome.usage
        if not (0 <= total_s < inf and 0 <= routing_s < inf and (first_event_s is None or 0 <= first_event_s < inf)):
            raise ValueError(f"{outcome.request_id}: its times are no measurements")
        if usage is not None and endpoint is not None:
            self._add_usage(usage, endpoint, outcome.prompt_estimate)
        self.count += 1
        self.last_at = at
        self.spent_usd += outcome.cost_usd or 0.0
        self.times.add(total_s)
        if self.first_attempt_ok:
            rest_s = 0.0 if first_event_s is None else total_s - first_event_s
            self.times_asked.add(outcome.attempts[0].took_s + rest_s)
        self.routing_ms.add(routing_s * 1000)
        self.total_s.add(total_s)
        if first_event_s is not None:
            self.first_event_s.add(first_event_s)

    def _add_usage(self, usage: Usage, endpoint: Endpoint, estimate: int) -> None:
        read, written, cached, reasoning = usage.input_tokens, usage.output_tokens, usage.cached_tokens, usage.reasoning_tokens
        if not 0 <= read | written | cached | reasoning < _ABSURD:  # negative if one of them is
            raise ValueError(f"{endpoint.id}: its tokens are no measurements")
        self.input_tokens += read
        self.output_tokens += written
        self.cached_tokens += cached
        self.reasoning_tokens += reasoning
        if endpoint.price is not None:
            self.cost_usd += usage.cost(endpoint.price)
        if read and estimate and not usage.estimated:
            self.ratio.add(estimate / read)

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


def rollup_key(outcome: Outcome, endpoint: Endpoint | None) -> tuple[object, ...]:
    """The same for requests that have the same labels everywhere; as long as somebody holds `endpoint`, as their `Alike` does."""
    decision, usage = outcome.decision, outcome.usage
    return (
        None if decision is None else (decision.tier, decision.by, decision.why, decision.rule),
        id(endpoint),
        outcome.endpoint is None,
        outcome.ending,
        outcome.status,
        outcome.error,
        outcome.asked_for,
        outcome.stream,
        outcome.key_name,
        None if usage is None else usage.estimated,
        _failure(outcome, endpoint),
    )


def _failure(outcome: Outcome, endpoint: Endpoint | None) -> str | Literal[False] | None:
    """Of the only attempt; None: there was none. False: it is not as simple as that."""
    attempts = outcome.attempts
    if len(attempts) != 1 or attempts[0].endpoint is not endpoint:
        return False
    return attempts[0].error or attempts[0].rejected
