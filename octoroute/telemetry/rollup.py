"""Aggregates outcomes with identical labels, until they are flushed into the metrics and the statistics. Pure.

Adding an outcome updates plain numbers; that costs a fraction of updating each metric.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from math import inf
from typing import Literal, TypeAlias

from octoroute.domain.endpoint import Endpoint
from octoroute.domain.outcome import Outcome, Usage
from octoroute.domain.sketch import DDSketch
from octoroute.telemetry.metric_catalog import RATIOS, ROUTING_MS, SECONDS

MAX_UNCOUNTED = 1024
"""Numbers that a rollup holds before it counts them into its histograms."""
_MAX_TOKENS = 2**50
"""No request has so many; up to here a float, which is what Prometheus adds up, is exact."""


class BucketCounts:
    """A histogram: `counts` by bucket, not cumulative, the last one without an upper bound, and the `sum` of all values."""

    __slots__ = ("_bounds", "counts", "sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def __bool__(self) -> bool:
        """Whether there is any value."""
        return any(self.counts)

    def extend(self, values: Sequence[float]) -> None:
        ordered, at = sorted(values), 0
        for index, bound in enumerate(self._bounds):
            end = bisect_right(ordered, bound, at)
            self.counts[index] += end - at
            at = end
        self.counts[-1] += len(ordered) - at
        self.sum += sum(values)


_Measured: TypeAlias = tuple[float, float, float | None, float, float | None]
"""Seconds of routing, of all, until the first event, and of the first attempt; estimated over reported prompt tokens."""


class RollupSums:
    """Sums over the outcomes of one rollup."""

    __slots__ = (
        "cached_tokens", "cost_micros", "count", "input_tokens", "last_at", "output_tokens", "reasoning_tokens", "spent_micros",
    )  # fmt: skip

    def __init__(self) -> None:
        self.count = 0
        self.last_at = 0.0
        """When the last outcome was recorded: wall clock, seconds since the epoch."""
        self.input_tokens = self.output_tokens = self.cached_tokens = self.reasoning_tokens = 0
        self.cost_micros = 0
        """Of the answers that clients got, in micro-dollars."""
        self.spent_micros = 0
        """Of all attempts, discarded answers included."""


class Rollup:
    """How many outcomes there were with the labels of `example`, and sums and histograms of the numbers in which they differ."""

    __slots__ = (
        "_measured", "endpoint", "endpoint_times", "estimate_ratio", "example", "first_attempt_ok", "first_event_s", "line",
        "routing_ms", "sums", "times", "total_s",
    )  # fmt: skip

    def __init__(self, example: Outcome, endpoint: Endpoint | None) -> None:
        """`endpoint` answered, or was the last one tried; None: none was tried."""
        self.example = example
        self.endpoint = endpoint
        self.first_attempt_ok = _single_attempt_error(example, endpoint) is None
        """The first attempt was the only one, and it answered."""
        self.sums = RollupSums()
        self._measured: list[_Measured] = []
        """Of outcomes that the histograms do not count yet."""
        self.routing_ms = BucketCounts(ROUTING_MS)
        self.total_s = BucketCounts(SECONDS)
        self.first_event_s = BucketCounts(SECONDS)
        self.estimate_ratio = BucketCounts(RATIOS)
        """Estimated over reported prompt tokens."""
        self.times = DDSketch()
        """From a request's arrival to the end of its answer."""
        self.endpoint_times = DDSketch()
        """From the attempt's start to the end of the answer; only if `first_attempt_ok`."""
        self.line: bytes | None = None
        """The access log's: the encoded fields that these outcomes share; None: not encoded yet."""

    def add(self, outcome: Outcome, endpoint: Endpoint | None, at: float) -> None:
        """Add an outcome of the same `rollup_key`. Raises ValueError and adds nothing if its times or tokens make no sense."""
        total_s, first_event_s, routing_s, usage = outcome.total_s, outcome.first_event_s, outcome.routing_s, outcome.usage
        if not (0 <= total_s < inf and 0 <= routing_s < inf and (first_event_s is None or 0 <= first_event_s < inf)):
            raise ValueError(f"{outcome.request_id}: its times are no measurements")
        sums, ratio = self.sums, None
        if usage is not None and endpoint is not None:
            ratio = self._add_usage(sums, usage, endpoint, outcome.prompt_estimate)
        sums.count += 1
        sums.last_at = at
        sums.spent_micros += outcome.cost_micros or 0
        took_s = outcome.attempts[0].took_s if self.first_attempt_ok else 0.0
        self._measured.append((routing_s, total_s, first_event_s, took_s, ratio))
        if len(self._measured) >= MAX_UNCOUNTED:
            self.count()

    def count(self) -> None:
        """Count the numbers of the latest outcomes into the histograms: call it before these are read."""
        measured, self._measured = self._measured, []
        totals = [total_s for _, total_s, *_ in measured]
        self.times.extend(totals)
        if self.first_attempt_ok:
            times = [took_s + (0.0 if first is None else total_s - first) for _, total_s, first, took_s, _ in measured]
            self.endpoint_times.extend(times)
        self.routing_ms.extend([routing_s * 1000 for routing_s, *_ in measured])
        self.total_s.extend(totals)
        self.first_event_s.extend([first for _, _, first, *_ in measured if first is not None])
        self.estimate_ratio.extend([ratio for *_, ratio in measured if ratio is not None])

    def _add_usage(self, sums: RollupSums, usage: Usage, endpoint: Endpoint, estimate: int) -> float | None:
        """Return estimated over reported prompt tokens; None: one of them is not known."""
        prompt, completion, cached, reasoning = usage.input_tokens, usage.output_tokens, usage.cached_tokens, usage.reasoning_tokens
        if not 0 <= prompt | completion | cached | reasoning < _MAX_TOKENS:  # the bitwise or is negative if one of them is
            raise ValueError(f"{endpoint.id}: its tokens are no measurements")
        sums.input_tokens += prompt
        sums.output_tokens += completion
        sums.cached_tokens += cached
        sums.reasoning_tokens += reasoning
        if endpoint.price is not None:
            sums.cost_micros += usage.cost_micros(endpoint.price)
        return estimate / prompt if prompt and estimate and not usage.estimated else None

    @property
    def usage(self) -> Usage | None:
        """The sum over all outcomes; None: no usage is known."""
        if self.example.usage is None:
            return None
        sums = self.sums
        return Usage(
            input_tokens=sums.input_tokens,
            output_tokens=sums.output_tokens,
            cached_tokens=sums.cached_tokens,
            reasoning_tokens=sums.reasoning_tokens,
            estimated=self.example.usage.estimated,
        )


def rollup_key(outcome: Outcome, endpoint: Endpoint | None) -> tuple[object, ...]:
    """Equal for outcomes whose labels are equal in every metric and in the access log.

    The endpoint's `id()` stands for it, because it is fast to hash: the key is valid while something holds the endpoint, as the
    key's `Rollup` does.
    """
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
        _single_attempt_error(outcome, endpoint),
    )


def _single_attempt_error(outcome: Outcome, endpoint: Endpoint | None) -> str | Literal[False] | None:
    """Why the only attempt failed or was rejected; None: it answered. False: there was not exactly one attempt, at `endpoint`."""
    attempts = outcome.attempts
    if len(attempts) != 1 or attempts[0].endpoint is not endpoint:
        return False
    return attempts[0].error or attempts[0].rejected
