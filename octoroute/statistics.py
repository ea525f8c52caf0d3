"""What happened so far, in numbers: counts, means, percentiles, cost. In memory, and exact but for the percentiles.

A request counts once, by its tier and its key; every endpoint that it asked counts once more, for itself. A tally is kept for
each combination and they are added up when somebody looks, so that recording stays cheap.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from math import ceil, log
from typing import Any

from octoroute.types import Ending, Outcome, Usage

PERCENTILE_ERROR = 0.01
"""A percentile is off by at most this share of itself."""

NO_KEY = "none"
NO_TIER = "none"

_GROWTH = (1 + PERCENTILE_ERROR) / (1 - PERCENTILE_ERROR)
_PER_LOG = 1 / log(_GROWTH)
_SMALLEST_S = 1e-6
_FIRST = ceil(log(_SMALLEST_S) * _PER_LOG)
_ANSWERED = Ending.ANSWERED  # looked up once: before Python 3.12 that costs as much as a call


class Durations:
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

    def merge(self, other: Durations) -> None:
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


class Tally:
    """One group's numbers. `times` are of answers that were delivered; a failure's time says nothing about speed."""

    __slots__ = (
        "abandoned",
        "answered",
        "broken",
        "cached_tokens",
        "cost_usd",
        "estimated_tokens",
        "failed",
        "input_tokens",
        "last_at",
        "output_tokens",
        "reasoning_tokens",
        "refused",
        "times",
    )

    def __init__(self) -> None:
        self.answered = 0
        self.refused = 0
        self.failed = 0
        self.broken = 0
        self.abandoned = 0
        self.cost_usd = 0.0
        self.input_tokens = 0
        self.output_tokens = 0
        self.cached_tokens = 0
        self.reasoning_tokens = 0
        self.estimated_tokens = 0
        self.last_at = 0.0
        self.times = Durations()

    @property
    def count(self) -> int:
        return self.answered + self.refused + self.failed + self.broken + self.abandoned

    def ended(self, ending: Ending, took_s: float, at: float, usage: Usage | None = None, cost_usd: float | None = None) -> None:
        self.last_at = at
        if ending is _ANSWERED:
            self.answered += 1
            self.times.add(took_s)
        elif ending is Ending.REFUSED:
            self.refused += 1
        elif ending is Ending.FAILED:
            self.failed += 1
        elif ending is Ending.BROKEN:
            self.broken += 1
        else:
            self.abandoned += 1
        if usage is None:
            return
        self.cost_usd += cost_usd or 0.0
        if usage.estimated:
            self.estimated_tokens += usage.input_tokens + usage.output_tokens
            return
        self.input_tokens += usage.input_tokens
        self.output_tokens += usage.output_tokens
        self.cached_tokens += usage.cached_tokens
        self.reasoning_tokens += usage.reasoning_tokens

    def merge(self, other: Tally) -> None:
        for name in _SUMS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.last_at = max(self.last_at, other.last_at)
        self.times.merge(other.times)


_SUMS = tuple(name for name in Tally.__slots__ if name not in {"last_at", "times"})


class Statistics:
    """`wall` gives seconds since the epoch. All of it happens on the event loop, so nothing can be lost between two readers."""

    def __init__(self, wall: Callable[[], float]) -> None:
        self._wall = wall
        self.catch_up: Callable[[], object] = lambda: None
        """Called before anybody reads: what has happened must be counted."""
        self.reset()

    def reset(self) -> None:
        self.catch_up()
        self.since = self._wall()
        self._requests: defaultdict[tuple[str, str], Tally] = defaultdict(Tally)
        """By (tier, key)."""
        self._asked: defaultdict[tuple[str, str, str], Tally] = defaultdict(Tally)
        """By (endpoint's id, name, provider)."""

    def record(self, outcome: Outcome) -> None:
        now = self._wall()
        endpoint = outcome.endpoint
        tier = endpoint.tier if endpoint else outcome.decision.tier if outcome.decision else NO_TIER
        self._requests[tier, outcome.key_name or NO_KEY].ended(
            outcome.ending, outcome.total_s, now, outcome.usage, outcome.cost_usd
        )
        self.record_attempts(outcome, now)

    def record_attempts(self, outcome: Outcome, now: float | None = None) -> None:
        """The endpoints' side of it: who was asked and failed did, whoever answered in the end."""
        at = self._wall() if now is None else now
        for attempt in outcome.attempts:
            asked = attempt.endpoint
            tally = self._asked[asked.id, asked.name, asked.provider]
            if attempt.error is not None:
                tally.ended(Ending.REFUSED if attempt.error == "upstream_declined" else Ending.FAILED, attempt.took_s, at)
                continue
            rest_s = 0.0 if outcome.first_event_s is None else outcome.total_s - outcome.first_event_s
            tally.ended(outcome.ending, attempt.took_s + rest_s, at, outcome.usage, outcome.cost_usd)

    def told(self) -> dict[str, Any]:
        """As JSON. Latencies in seconds, costs in USD, times in seconds since the epoch."""
        self.catch_up()
        every = _total(self._requests.values())
        providers = _grouped((key[2], tally) for key, tally in self._asked.items())
        return {
            "since": self.since,
            "percentile_error": PERCENTILE_ERROR,
            "total_requests": every.count,
            "successful_requests": every.answered,
            "failed_requests": every.failed + every.broken,
            "refused_requests": every.refused,
            "abandoned_requests": every.abandoned,
            **_latency(every),
            "last_request_time": every.last_at or None,
            "total_cost": every.cost_usd,
            "average_cost": _average_cost(every),
            "cost_by_vendor": {name: tally.cost_usd for name, tally in sorted(providers.items())},
            "token_usage": _tokens(every),
            "providers": _rows(providers),
            "models": _rows(_grouped((key[1], tally) for key, tally in self._asked.items())),
            "endpoints": _rows(_grouped((key[0], tally) for key, tally in self._asked.items())),
            "tiers": _rows(_grouped((key[0], tally) for key, tally in self._requests.items())),
            "keys": _rows(_grouped((key[1], tally) for key, tally in self._requests.items())),
        }


def _total(tallies: Iterable[Tally]) -> Tally:
    total = Tally()
    for tally in tallies:
        total.merge(tally)
    return total


def _grouped(named: Iterable[tuple[str, Tally]]) -> dict[str, Tally]:
    groups: dict[str, Tally] = {}
    for name, tally in named:
        groups.setdefault(name, Tally()).merge(tally)
    return groups


def _rows(groups: Mapping[str, Tally]) -> dict[str, dict[str, Any]]:
    return {
        str(name): {
            "requests": tally.count,
            "successes": tally.answered,
            "failures": tally.failed + tally.broken,
            "refused": tally.refused,
            "abandoned": tally.abandoned,
            **_latency(tally),
            "last_used": tally.last_at or None,
            "total_cost": tally.cost_usd,
            "average_cost": _average_cost(tally),
            "token_usage": _tokens(tally),
        }
        for name, tally in sorted(groups.items())
    }


def _latency(tally: Tally) -> dict[str, float | None]:
    times = tally.times
    return {
        "average_latency": times.mean_s,
        "p50": times.percentile_s(0.5),
        "p95": times.percentile_s(0.95),
        "p99": times.percentile_s(0.99),
    }


def _average_cost(tally: Tally) -> float | None:
    return tally.cost_usd / tally.count if tally.count else None


def _tokens(tally: Tally) -> dict[str, int]:
    return {
        "input": tally.input_tokens,
        "output": tally.output_tokens,
        "cached": tally.cached_tokens,
        "reasoning": tally.reasoning_tokens,
        "estimated": tally.estimated_tokens,
        "total": tally.input_tokens + tally.output_tokens + tally.estimated_tokens,
    }
