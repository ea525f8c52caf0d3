"""Statistics since the start or the last reset: counts, means, percentiles, cost. In memory; exact but for the percentiles.

A request counts once for its tier and its key, and once more for each endpoint that was tried. One tally is held for each
combination, and they are merged when they are read, so that recording stays cheap.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from octoroute.domain.endpoint import Endpoint
from octoroute.domain.outcome import Ending, Outcome, Usage
from octoroute.domain.price import to_usd
from octoroute.domain.sketch import PERCENTILE_ERROR, DDSketch
from octoroute.telemetry.rollup import Rollup

NO_KEY = "none"
NO_TIER = "none"
OTHER_KEYS = "(others)"
"""The requests of all keys that came when there were `MAX_GROUPS` already."""
MAX_GROUPS = 1000
"""Pairs of tier and key that are told apart: an identity provider may name any number of callers."""


class Tally:
    """The numbers of one group. `times` are of delivered answers only, because the time of a failure says nothing about speed."""

    __slots__ = (
        "cached_tokens",
        "cost_micros",
        "endings",
        "estimated_tokens",
        "input_tokens",
        "last_at",
        "output_tokens",
        "reasoning_tokens",
        "times",
    )

    def __init__(self) -> None:
        self.endings = dict.fromkeys(Ending, 0)
        self.cost_micros = 0
        self.input_tokens = 0
        self.output_tokens = 0
        self.cached_tokens = 0
        self.reasoning_tokens = 0
        self.estimated_tokens = 0
        self.last_at = 0.0
        """Seconds since the epoch; 0: nothing was counted."""
        self.times = DDSketch()

    @property
    def count(self) -> int:
        return sum(self.endings.values())

    def add_bulk(
        self, ending: Ending, count: int, times: DDSketch, at: float, usage: Usage | None = None, cost_micros: int = 0
    ) -> None:
        """Add `count` requests with this ending, the last of them at `at`; `usage` and `cost_micros` are their sums."""
        self.last_at = max(self.last_at, at)
        self.endings[ending] += count
        if ending is Ending.ANSWERED:
            self.times.merge(times)
        self.cost_micros += cost_micros
        if usage is None:
            return
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
        for ending, count in other.endings.items():
            self.endings[ending] += count
        self.last_at = max(self.last_at, other.last_at)
        self.times.merge(other.times)


_SUMS = ("cached_tokens", "cost_micros", "estimated_tokens", "input_tokens", "output_tokens", "reasoning_tokens")


class Statistics:
    """May be used from any thread."""

    def __init__(self, wall: Callable[[], float], *, catch_up: Callable[[], object] = lambda: None) -> None:
        """`wall`: seconds since the epoch. `catch_up` is called before each read and reset: it adds outcomes that still wait."""
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
        self._endpoints: defaultdict[tuple[str, str, str], Tally] = defaultdict(Tally)
        """By (endpoint's id, name, provider)."""

    def add_bulk(self, rollup: Rollup) -> None:
        """Add the outcomes of a rollup. Their attempts are added too if each had one only; else `record_attempts` adds them."""
        example, endpoint, sums = rollup.example, rollup.endpoint, rollup.sums
        tier = example.endpoint.tier if example.endpoint else example.decision.tier if example.decision else NO_TIER
        more = sums.last_at, rollup.usage, sums.spent_micros
        with self._lock:
            self._of_key(tier, example.key_name or NO_KEY).add_bulk(example.ending, sums.count, rollup.times, *more)
            if rollup.first_attempt_ok and endpoint is not None:
                self._tally(endpoint).add_bulk(example.ending, sums.count, rollup.endpoint_times, *more)

    def record_attempts(self, outcome: Outcome, at: float) -> None:
        """Add each attempt to its endpoint: a failed one as a failure, whatever the request's outcome was."""
        rest_s = 0.0 if outcome.first_event_s is None else outcome.total_s - outcome.first_event_s
        with self._lock:
            for attempt in outcome.attempts:
                tally, times = self._tally(attempt.endpoint), DDSketch()
                if attempt.error is not None:
                    ending = Ending.REFUSED if attempt.error == "upstream_declined" else Ending.FAILED
                    tally.add_bulk(ending, 1, times, at, attempt.usage, attempt.cost_micros or 0)
                    continue
                times.add(attempt.took_s + rest_s)
                tally.add_bulk(outcome.ending, 1, times, at, attempt.usage, attempt.cost_micros or 0)

    def _of_key(self, tier: str, name: str) -> Tally:
        is_new = len(self._requests) >= MAX_GROUPS and (tier, name) not in self._requests
        return self._requests[tier, OTHER_KEYS if is_new else name]

    def _tally(self, endpoint: Endpoint) -> Tally:
        return self._endpoints[endpoint.id, endpoint.name, endpoint.provider]

    def snapshot(self) -> dict[str, Any]:
        """The JSON object of `GET /admin/stats`. Latencies in seconds, costs in USD, times in seconds since the epoch."""
        self._catch_up()
        with self._lock:
            return self._snapshot()

    def _snapshot(self) -> dict[str, Any]:
        every = _total(self._requests.values())
        endings = every.endings
        providers = _grouped((key[2], tally) for key, tally in self._endpoints.items())
        return {
            "since": self.since,
            "percentile_error": PERCENTILE_ERROR,
            "total_requests": every.count,
            "successful_requests": endings[Ending.ANSWERED],
            "failed_requests": endings[Ending.FAILED] + endings[Ending.BROKEN],
            "refused_requests": endings[Ending.REFUSED],
            "abandoned_requests": endings[Ending.ABANDONED],
            **_latency(every),
            "last_request_time": every.last_at or None,
            "total_cost": to_usd(every.cost_micros),
            "average_cost": _average_cost(every),
            "cost_by_vendor": {name: to_usd(tally.cost_micros) for name, tally in sorted(providers.items())},
            "token_usage": _tokens(every),
            "providers": _rows(providers),
            "models": _rows(_grouped((key[1], tally) for key, tally in self._endpoints.items())),
            "endpoints": _rows(_grouped((key[0], tally) for key, tally in self._endpoints.items())),
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
            "successes": tally.endings[Ending.ANSWERED],
            "failures": tally.endings[Ending.FAILED] + tally.endings[Ending.BROKEN],
            "refused": tally.endings[Ending.REFUSED],
            "abandoned": tally.endings[Ending.ABANDONED],
            **_latency(tally),
            "last_used": tally.last_at or None,
            "total_cost": to_usd(tally.cost_micros),
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
    return to_usd(tally.cost_micros) / tally.count if tally.count else None


def _tokens(tally: Tally) -> dict[str, int]:
    return {
        "input": tally.input_tokens,
        "output": tally.output_tokens,
        "cached": tally.cached_tokens,
        "reasoning": tally.reasoning_tokens,
        "estimated": tally.estimated_tokens,
        "total": tally.input_tokens + tally.output_tokens + tally.estimated_tokens,
    }
