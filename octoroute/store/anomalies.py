"""What is unusual in a time against the same time a week before. Pure.

A number of a group is reported if it has changed by its factor or more, and by more than chance explains. The number of requests,
if there are MIN_REQUESTS in one of the times: by FACTOR, and by more than CHANCE standard deviations of a Poisson count. All others
need MIN_REQUESTS in both times. The share of errors: by MIN_SHARE, and by more than CHANCE standard errors of the difference of two
shares. Cost: by FACTOR and by MIN_COST_NUSD. Cost of a request, and the 95th percentiles of the times: by RATE_FACTOR, the
times by MIN_TIME_S, too. A group that has MIN_REQUESTS requests in one time and none in the other is new, or gone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import log, sqrt

import msgspec

from octoroute.domain.sketch import DDSketch
from octoroute.store.base import NANO, Aggregate
from octoroute.store.statistics import errors_of

MIN_REQUESTS = 100
FACTOR = 2.0
RATE_FACTOR = 1.5
CHANCE = 4.0
MIN_SHARE = 0.01
MIN_COST_NUSD = NANO
MIN_TIME_S = 0.1
RULE = (
    f"requests: {FACTOR:g} times as many or as few, {MIN_REQUESTS} in one time, beyond {CHANCE:g} standard deviations; all others "
    f"need {MIN_REQUESTS} requests in both times; share of errors: {MIN_SHARE * 100:g} points, beyond {CHANCE:g} standard errors; "
    f"cost: {FACTOR:g} times, and ${MIN_COST_NUSD // NANO}; cost of a request, p95 of latency and first token: {RATE_FACTOR:g} "
    f"times, times by {MIN_TIME_S * 1000:g} ms"
)


class Anomaly(msgspec.Struct, frozen=True, kw_only=True):
    group: Mapping[str, str]
    """Empty: all requests."""
    what: str
    """new, gone, requests, error_share, cost_usd, cost_per_request_usd, latency_p95_ms, first_token_p95_ms."""
    before: float
    now: float
    requests_before: int
    requests_now: int
    weight: float
    """How far it is from usual, for the order: the logarithm of the factor; more for what is new or gone."""


def anomalies(now: Aggregate | None, before: Aggregate | None, group: Mapping[str, str]) -> Iterator[Anomaly]:
    """Of one group. None: it had no requests."""
    requests_now, requests_before = (0 if one is None else one.requests for one in (now, before))
    if max(requests_now, requests_before) < MIN_REQUESTS:
        return

    def found(what: str, old: float, new: float, weight: float | None = None) -> Anomaly:
        distance = abs(log(max(new, 1e-9) / max(old, 1e-9))) if weight is None else weight
        return Anomaly(
            group=group, what=what, before=old, now=new, requests_before=requests_before, requests_now=requests_now, weight=distance
        )

    if now is None or before is None:
        yield found("new" if before is None else "gone", requests_before, requests_now, 10.0)
        return
    if _far(requests_before, requests_now, FACTOR) and _beyond_chance(requests_before, requests_now):
        yield found("requests", requests_before, requests_now)
    if min(requests_now, requests_before) < MIN_REQUESTS:
        return
    shares = errors_of(before) / requests_before, errors_of(now) / requests_now
    if abs(shares[0] - shares[1]) >= MIN_SHARE and _shares_differ(before, now):
        yield found("error_share", round(shares[0], 4), round(shares[1], 4))
    costs = before.cost_nusd, now.cost_nusd
    if _far(*costs, FACTOR) and abs(costs[0] - costs[1]) >= MIN_COST_NUSD:
        yield found("cost_usd", costs[0] / NANO, costs[1] / NANO)
    if min(before.priced, now.priced) >= MIN_REQUESTS:
        each = before.cost_nusd / before.priced / NANO, now.cost_nusd / now.priced / NANO
        if _far(*each, RATE_FACTOR):
            yield found("cost_per_request_usd", each[0], each[1])
    for what, old, new in (
        ("latency_p95_ms", before.total, now.total),
        ("first_token_p95_ms", before.first_event, now.first_event),
    ):
        if (times := _times(old, new)) is not None and _far(*times, RATE_FACTOR) and abs(times[0] - times[1]) >= MIN_TIME_S:
            yield found(what, round(times[0] * 1000, 1), round(times[1] * 1000, 1))


def _far(old: float, new: float, factor: float) -> bool:
    return max(old, new) >= factor * min(old, new) and old != new


def _beyond_chance(old: int, new: int) -> bool:
    return abs(old - new) > CHANCE * sqrt(old + new)


def _shares_differ(before: Aggregate, now: Aggregate) -> bool:
    shares = errors_of(before) / before.requests, errors_of(now) / now.requests
    pooled = (errors_of(before) + errors_of(now)) / (before.requests + now.requests)
    error = sqrt(pooled * (1 - pooled) * (1 / before.requests + 1 / now.requests))
    return abs(shares[0] - shares[1]) > CHANCE * error


def _times(before: DDSketch, now: DDSketch) -> tuple[float, float] | None:
    if min(before.count, now.count) < MIN_REQUESTS:
        return None
    old, new = before.percentile_s(0.95), now.percentile_s(0.95)
    return None if old is None or new is None else (old, new)
