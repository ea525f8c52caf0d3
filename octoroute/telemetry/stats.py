"""What happened so far, in numbers: counts, means, percentiles, cost. In memory, and exact but for the percentiles.

A request counts once, by its tier and its key; every endpoint that it asked counts once more, for itself. A tally is kept for
each combination and they are added up when somebody looks, so that recording stays cheap.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from octoroute.domain.endpoint import Endpoint
from octoroute.domain.outcome import Ending, Outcome, Usage
from octoroute.telemetry.rollup import PERCENTILE_ERROR, DDSketch, Rollup

NO_KEY = "none"
NO_TIER = "none"


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
        self.times = DDSketch()

    @property
    def count(self) -> int:
        return self.answered + self.refused + self.failed + self.broken + self.abandoned

    def add_bulk(
        self, ending: Ending, count: int, times: DDSketch, at: float, usage: Usage | None = None, cost_usd: float = 0.0
    ) -> None:
        """`count` requests that ended so, the last of them `at`; `usage` and `cost_usd` are of all of them."""
        self.last_at = max(self.last_at, at)
        setattr(self, ending.value, getattr(self, ending.value) + count)
        if ending is Ending.ANSWERED:
            self.times.merge(times)
        if usage is None:
            return
        self.cost_usd += cost_usd
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
    """`wall` gives seconds since the epoch. What is taken may come from any thread."""

    def __init__(self, wall: Callable[[], float], *, catch_up: Callable[[], object] = lambda: None) -> None:
        """`catch_up` is called before each read and reset: it adds what was settled and is not counted yet."""
        self.wall = wall
        self._catch_up = catch_up
        self._lock = threading.Lock()
        self._clear()

    def reset(self) -> None:
        self._catch_up()
        with self._lock:
            self._clear()

    def _clear(self) -> None:
        self.since = self.wall()
        self._requests: defaultdict[tuple[str, str], Tally] = defaultdict(Tally)
        """By (tier, key)."""
        self._asked: defaultdict[tuple[str, str, str], Tally] = defaultdict(Tally)
        """By (endpoint's id, name, provider)."""

    def add_bulk(self, alike: Rollup) -> None:
        """All that is known of these requests, but for attempts of which there were several."""
        one, asked = alike.example, alike.endpoint
        tier = one.endpoint.tier if one.endpoint else one.decision.tier if one.decision else NO_TIER
        more = alike.last_at, alike.usage, alike.spent_usd
        with self._lock:
            self._requests[tier, one.key_name or NO_KEY].add_bulk(one.ending, alike.count, alike.times, *more)
            if alike.first_attempt_ok and asked is not None:
                self._tally(asked).add_bulk(one.ending, alike.count, alike.times_asked, *more)

    def record_attempts(self, outcome: Outcome, at: float) -> None:
        """The endpoints' side of it: who was asked and failed did, whoever answered in the end."""
        rest_s = 0.0 if outcome.first_event_s is None else outcome.total_s - outcome.first_event_s
        with self._lock:
            for attempt in outcome.attempts:
                tally, took = self._tally(attempt.endpoint), DDSketch()
                if attempt.error is not None:
                    tally.add_bulk(Ending.REFUSED if attempt.error == "upstream_declined" else Ending.FAILED, 1, took, at)
                    continue
                took.add(attempt.took_s + rest_s)
                tally.add_bulk(outcome.ending, 1, took, at, outcome.usage, outcome.cost_usd or 0.0)

    def _tally(self, asked: Endpoint) -> Tally:
        return self._asked[asked.id, asked.name, asked.provider]

    def snapshot(self) -> dict[str, Any]:
        """As JSON. Latencies in seconds, costs in USD, times in seconds since the epoch."""
        self._catch_up()
        with self._lock:
            return self._snapshot()

    def _snapshot(self) -> dict[str, Any]:
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
