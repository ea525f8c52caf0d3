"""Statistics of the history: sums and percentiles by time and by what requests have in common, from the hourly sums."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Literal, Protocol, TypeAlias, cast

import msgspec

from octoroute.domain.outcome import Ending
from octoroute.domain.sketch import DDSketch
from octoroute.domain.time_text import parse_time, time_text
from octoroute.errors import BadRequest
from octoroute.store.base import DIMENSIONS, HOUR_S, NANO, Aggregate, Dimension, HistoryFilter

Bucket: TypeAlias = Literal["hour", "day", "all"]
BUCKETS: Mapping[Bucket, int | None] = {"hour": HOUR_S, "day": 24 * HOUR_S, "all": None}
"""Seconds; None: one bucket for all times."""

DEFAULT_RANGE_S = 24 * HOUR_S
MAX_HOURLY_RANGE_S = 62 * 24 * HOUR_S
MAX_RANGE_S = 3660 * 24 * HOUR_S
MAX_ROWS = 10_000
"""Of all lists of an answer together, so that its size is bounded."""
MAX_VALUES = 100
"""Of one filter."""
_AUTO_HOURLY_S = 48 * HOUR_S
"""Up to this range the buckets are hours unless the query says otherwise."""
PARAMETERS = ("from", "to", "by", "bucket", *DIMENSIONS)
PERCENTILES = (50, 95, 99)
NUMBERS = (
    "requests", "errors", *(str(ending) for ending in Ending), "attempts", "input_tokens", "output_tokens", "cached_tokens",
    "reasoning_tokens", "cost_micros", "cost_usd", "priced", "latency_mean_ms", *(f"latency_p{p}_ms" for p in PERCENTILES),
    "first_token_mean_ms", *(f"first_token_p{p}_ms" for p in PERCENTILES),
)  # fmt: skip
"""The fields of a row besides its start and group."""
_BY_WORD: Mapping[str, Dimension] = {dimension: dimension for dimension in DIMENSIONS}
_ERRORS = (Ending.FAILED, Ending.BROKEN)


class StatsQuery(msgspec.Struct, frozen=True, kw_only=True):
    since_s: int
    """A whole hour, seconds since the epoch."""
    until_s: int
    """A whole hour, exclusive."""
    bucket: Bucket
    by: tuple[Dimension, ...] = ()
    where: Mapping[Dimension, Collection[str]] = {}


class StatsReport(msgspec.Struct, frozen=True, kw_only=True):
    query: StatsQuery
    buckets: Sequence[Aggregate]
    """By time and group."""
    times: Sequence[Aggregate]
    """By time, of all groups together."""
    groups: Sequence[Aggregate]
    """By group, of all times together; the most requests first."""
    total: Aggregate


class AggregateSource(Protocol):
    """The part of a `HistoryStore` that statistics need."""

    async def aggregate(
        self, wanted: HistoryFilter, *, by: Sequence[Dimension] = (), bucket_s: int | None = None
    ) -> Sequence[Aggregate]: ...


def stats_query(parameters: Iterable[tuple[str, str]], now_s: float, range_s: int = DEFAULT_RANGE_S) -> StatsQuery:
    """The query of names and values, as in a URL: `from`, `to`, `by`, `bucket`, and any dimension as a filter.

    Names may be repeated; `by` may be a list with commas, with `hour` or `day` among its words. `range_s`: from `from` to `to` if
    `from` is not given. Raises BadRequest.
    """
    given: dict[str, list[str]] = {}
    for name, value in parameters:
        if name not in PARAMETERS:
            raise BadRequest(f"there is no parameter {name[:60]!r}; the parameters are {', '.join(PARAMETERS)}", param=name[:60])
        given.setdefault(name, []).append(value)
    until = _time(given, "to", now_s, now_s)
    since = _time(given, "from", now_s, max(0.0, until - range_s))
    if since >= until:
        raise BadRequest("from must be before to", param="from")
    first, end = int(since // HOUR_S) * HOUR_S, -int(-until // HOUR_S) * HOUR_S
    if end - first > MAX_RANGE_S:
        raise BadRequest(f"at most {MAX_RANGE_S // 86400} days can be asked for; narrow from and to", param="from")
    by, bucket = _groups(given)
    chosen = bucket or ("hour" if end - first <= _AUTO_HOURLY_S else "day")
    if chosen == "hour" and end - first > MAX_HOURLY_RANGE_S:
        raise BadRequest(f"hours of at most {MAX_HOURLY_RANGE_S // 86400} days can be asked for; use bucket=day", param="bucket")
    return StatsQuery(since_s=first, until_s=end, bucket=chosen, by=by, where=where_of(given))


def where_of(given: Mapping[str, Sequence[str]]) -> Mapping[Dimension, Collection[str]]:
    """The conditions among the parameters. Raises BadRequest."""
    where: dict[Dimension, Collection[str]] = {dimension: given[dimension] for dimension in DIMENSIONS if dimension in given}
    for dimension, values in where.items():
        if len(values) > MAX_VALUES:
            raise BadRequest(f"at most {MAX_VALUES} values can be given", param=dimension)
    return where


def _time(given: Mapping[str, Sequence[str]], name: str, now_s: float, default_s: float) -> float:
    values = given.get(name)
    if not values or not values[-1]:
        return default_s
    try:
        return parse_time(values[-1], now_s)
    except ValueError as error:
        raise BadRequest(str(error), param=name) from None


def _groups(given: Mapping[str, Sequence[str]]) -> tuple[tuple[Dimension, ...], Bucket | None]:
    words = [word for value in given.get("by", ()) for part in value.split(",") if (word := part.strip())]
    buckets = [word for word in words if word in BUCKETS] + [value for value in given.get("bucket", ()) if value]
    for word in words:
        if word not in DIMENSIONS and word not in BUCKETS:
            raise BadRequest(f"{word[:60]!r} is nothing to group by; write hour, day, {', '.join(DIMENSIONS)}", param="by")
    if len(set(buckets)) > 1 or any(word not in BUCKETS for word in buckets):
        raise BadRequest("the buckets of time are hour, day, or all", param="bucket")
    by: list[Dimension] = [dimension for word in dict.fromkeys(words) if (dimension := _BY_WORD.get(word)) is not None]
    return tuple(by), cast("Bucket", buckets[0]) if buckets else None


async def statistics(source: AggregateSource, query: StatsQuery) -> StatsReport:
    """Ask the store. Raises StoreUnavailable, or BadRequest if there are more than MAX_ROWS rows."""
    wanted = HistoryFilter(since_s=query.since_s, until_s=query.until_s, where=query.where)
    buckets = await source.aggregate(wanted, by=query.by, bucket_s=BUCKETS[query.bucket])
    if len(buckets) > MAX_ROWS:
        raise BadRequest(
            f"these are {len(buckets)} rows, more than {MAX_ROWS}; narrow from and to, or use fewer groups or bucket=day",
            param="by",
        )
    return await asyncio.to_thread(_summed, query, buckets)


def _summed(query: StatsQuery, buckets: Sequence[Aggregate]) -> StatsReport:
    times: dict[int, Aggregate] = {}
    groups: dict[tuple[str, ...], Aggregate] = {}
    total = Aggregate(start_s=query.since_s, group={})
    for bucket in buckets:
        key = tuple(bucket.group.values())
        for found in (
            times.setdefault(bucket.start_s, Aggregate(start_s=bucket.start_s, group={})),
            groups.setdefault(key, Aggregate(start_s=query.since_s, group=bucket.group)),
            total,
        ):
            found.merge(bucket)
    ordered = sorted(groups.values(), key=lambda group: -group.requests)
    return StatsReport(query=query, buckets=buckets, times=list(times.values()), groups=ordered, total=total)


def row_of(one: Aggregate) -> dict[str, Any]:
    """What users get of an aggregate: NUMBERS. Money: micro-dollars, and dollars as text; times: milliseconds, or None."""
    micros = (one.cost_nusd * 1_000_000 * 2 + NANO) // (2 * NANO)
    return {
        "requests": one.requests,
        "errors": errors_of(one),
        **{str(ending): one.endings.get(ending, 0) for ending in Ending},
        "attempts": one.attempts,
        "input_tokens": one.input_tokens,
        "output_tokens": one.output_tokens,
        "cached_tokens": one.cached_tokens,
        "reasoning_tokens": one.reasoning_tokens,
        "cost_micros": micros,
        "cost_usd": usd_text(micros),
        "priced": one.priced,
        **_times("latency", one.total),
        **_times("first_token", one.first_event),
    }


def errors_of(one: Aggregate) -> int:
    """Requests without a whole answer, by a fault of the gateway or an endpoint."""
    return sum(one.endings.get(ending, 0) for ending in _ERRORS)


def usd_text(micros: int) -> str:
    """Dollars with six decimals, exactly."""
    sign, rest = "-" if micros < 0 else "", abs(micros)
    return f"{sign}{rest // 1_000_000}.{rest % 1_000_000:06}"


def _times(name: str, sketch: DDSketch) -> dict[str, float | None]:
    shares = {f"{name}_p{percent}_ms": sketch.percentile_s(percent / 100) for percent in PERCENTILES}
    times = {f"{name}_mean_ms": sketch.mean_s, **shares}
    return {field: None if seconds is None else round(seconds * 1000, 1) for field, seconds in times.items()}


def as_tree(found: StatsReport) -> dict[str, Any]:
    """For JSON."""
    query = found.query
    return {
        "from": time_text(query.since_s),
        "to": time_text(query.until_s),
        "bucket": query.bucket,
        "by": query.by,
        "where": {name: list(values) for name, values in query.where.items()},
        "total": row_of(found.total),
        "groups": [{**one.group, **row_of(one)} for one in found.groups],
        "times": [{"start": time_text(one.start_s), **row_of(one)} for one in found.times],
        "buckets": [{"start": time_text(one.start_s), **one.group, **row_of(one)} for one in found.buckets],
    }


def as_csv(found: StatsReport) -> str:
    """The buckets, with a line of names first. A number that is not known is empty."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["start", *found.query.by, *NUMBERS])
    for one in found.buckets:
        writer.writerow([time_text(one.start_s), *one.group.values(), *row_of(one).values()])
    return text.getvalue()
