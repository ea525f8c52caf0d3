"""What the history says about routing and money: escalations, cost by reason, anomalies, unused endpoints, cheaper tiers.

Everything comes from the hourly sums of one time and of the same time a week before, or as many whole weeks before as the time is
long. Anomalies and candidates have at least MIN_REQUESTS requests behind them.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from octoroute.domain.endpoint import CHAT_TIERS, Endpoint
from octoroute.domain.outcome import Usage
from octoroute.domain.time_text import time_text
from octoroute.errors import BadRequest
from octoroute.store.anomalies import MIN_REQUESTS, RULE, Anomaly, anomalies
from octoroute.store.base import HOUR_S, Aggregate, Dimension, HistoryFilter
from octoroute.store.statistics import AggregateSource, StatsQuery, row_of, stats_query, usd_text

WEEK_S = 7 * 24 * HOUR_S
MAX_ITEMS = 50
"""Of each list, the weightiest first."""
MIN_CHEAPER_SHARE = 0.8
"""Of what the router decides for a key, the share that must go to cheaper tiers."""
MAX_MEAN_INPUT, MAX_MEAN_OUTPUT = 300, 60
"""Tokens of requests that are small on average."""
_BY: tuple[Dimension, ...] = ("key", "tier", "model", "endpoint", "strategy", "reason", "ending", "cascade", "check", "asked_for")
_WATCHED: tuple[tuple[Dimension, ...], ...] = ((), ("key",), ("tier",), ("model",), ("endpoint",), ("reason",))
"""Groups in which anomalies are looked for."""
_TIERS = tuple(str(tier) for tier in CHAT_TIERS)


class CheaperTier(msgspec.Struct, frozen=True, kw_only=True):
    """Requests of one key to one tier that a cheaper one could probably answer."""

    key: str
    tier: str
    cheaper: str
    evidence: str
    """router: what the router decides for the same key. size: small prompts and answers."""
    why: str
    requests: int
    cost_nusd: int
    cheaper_cost_nusd: int | None
    """As many requests of the same mean size at the lowest price of the cheaper tier; None: it has no price."""


class Analysis(msgspec.Struct, frozen=True, kw_only=True):
    query: StatsQuery
    escalations: Sequence[Mapping[str, Any]]
    reasons: Sequence[Mapping[str, Any]]
    has_week_before: bool
    anomalies: Sequence[Anomaly]
    unused: Sequence[Endpoint]
    candidates: Sequence[CheaperTier]


def analysis_query(parameters: Iterable[tuple[str, str]], now_s: float) -> StatsQuery:
    """As `stats_query`, of the last week by default, and without groups and buckets. Raises BadRequest."""
    given = list(parameters)
    for name, _ in given:
        if name in {"by", "bucket"}:
            raise BadRequest(f"an analysis has its own groups; leave {name} out", param=name)
    return stats_query([*given, ("bucket", "all")], now_s, WEEK_S)


async def analyse(source: AggregateSource, query: StatsQuery, endpoints: Sequence[Endpoint]) -> Analysis:
    """`endpoints`: all that are configured. Raises StoreUnavailable."""
    earlier_s = -(-(query.until_s - query.since_s) // WEEK_S) * WEEK_S
    now = await _sums(source, query, 0)
    before = await _sums(source, query, earlier_s)
    begins = query.since_s - earlier_s
    first_day = HistoryFilter(since_s=max(0, begins - WEEK_S), until_s=max(0, begins + 24 * HOUR_S), where=query.where)
    complete = bool(await source.aggregate(first_day))
    return await asyncio.to_thread(_analysis, query, now, before if complete else None, endpoints)


async def _sums(source: AggregateSource, query: StatsQuery, earlier_s: int) -> Sequence[Aggregate]:
    wanted = HistoryFilter(since_s=max(0, query.since_s - earlier_s), until_s=max(0, query.until_s - earlier_s), where=query.where)
    return await source.aggregate(wanted, by=_BY)


def _analysis(
    query: StatsQuery, now: Sequence[Aggregate], before: Sequence[Aggregate] | None, endpoints: Sequence[Endpoint]
) -> Analysis:
    used = {one.group["endpoint"] for one in now}
    return Analysis(
        query=query,
        escalations=list(_escalations(now))[:MAX_ITEMS],
        reasons=list(_reasons(now))[:MAX_ITEMS],
        has_week_before=before is not None,
        anomalies=[] if before is None else _unusual(now, before),
        unused=[endpoint for endpoint in endpoints if endpoint.id not in used],
        candidates=sorted(filter(_saves, _candidates(now, endpoints)), key=lambda one: -_saving(one))[:MAX_ITEMS],
    )


def merged(
    rows: Iterable[Aggregate], by: Sequence[Dimension], wanted: Callable[[Aggregate], bool] = lambda _: True
) -> dict[tuple[str, ...], Aggregate]:
    """The sums by fewer dimensions, the most requests first."""
    found: dict[tuple[str, ...], Aggregate] = {}
    for row in rows:
        if wanted(row):
            key = tuple(row.group[dimension] for dimension in by)
            one = found.get(key)
            if one is None:
                one = found[key] = Aggregate(start_s=0, group={dimension: row.group[dimension] for dimension in by})
            one.merge(row)
    return dict(sorted(found.items(), key=lambda item: -item[1].requests))


def _escalations(rows: Sequence[Aggregate]) -> Iterator[dict[str, Any]]:
    """By cause: a cascade's check, a router's word, or a bigger tier than the client asked for."""
    asked = {
        tier: sum(one.requests for one in rows if one.group["asked_for"] == tier and one.group["tier"] in _TIERS) for tier in _TIERS
    }
    cascades = sum(one.requests for one in rows if one.group["cascade"])
    kinds: tuple[tuple[str, tuple[Dimension, ...], Callable[[Aggregate], bool], Callable[[Aggregate], int]], ...] = (
        ("cascade", ("check", "reason", "tier"), lambda one: one.group["cascade"] == "escalated", lambda _: cascades),
        ("stuck", ("tier",), lambda one: one.group["reason"] == "stuck", lambda _: 0),
        ("tier_not_available", ("asked_for", "tier"), _is_moved_up, lambda one: asked.get(one.group["asked_for"], 0)),
    )
    for kind, by, wanted, of in kinds:
        for one in merged(rows, by, wanted).values():
            among = of(one)
            yield {
                "kind": kind,
                **one.group,
                "requests": one.requests,
                "share": round(one.requests / among, 4) if among else None,
                "cost_usd": row_of(one)["cost_usd"],
            }


def _is_moved_up(one: Aggregate) -> bool:
    asked, tier = one.group["asked_for"], one.group["tier"]
    return asked in _TIERS and tier in _TIERS and _TIERS.index(tier) > _TIERS.index(asked)


def _reasons(rows: Sequence[Aggregate]) -> Iterator[dict[str, Any]]:
    groups = merged(rows, ("strategy", "reason")).values()
    whole = sum(one.cost_nusd for one in groups)
    for one in sorted(groups, key=lambda one: (-one.cost_nusd, -one.requests)):
        mean = one.cost_nusd // one.priced // 1000 if one.priced else None
        yield {
            **one.group,
            **row_of(one),
            "cost_share": round(one.cost_nusd / whole, 4) if whole else None,
            "cost_per_request_usd": None if mean is None else usd_text(mean),
        }


def _unusual(now: Sequence[Aggregate], before: Sequence[Aggregate]) -> list[Anomaly]:
    found: list[Anomaly] = []
    for by in _WATCHED:
        new, old = merged(now, by), merged(before, by)
        for key in {**new, **old}:
            found += anomalies(new.get(key), old.get(key), dict(zip(by, key, strict=True)))
    return sorted(found, key=lambda one: (-one.weight, one.what, sorted(one.group.items())))[:MAX_ITEMS]


def _candidates(rows: Sequence[Aggregate], endpoints: Sequence[Endpoint]) -> Iterator[CheaperTier]:
    routed = merged(rows, ("key", "tier"), lambda one: one.group["asked_for"] == "auto" and one.group["tier"] in _TIERS)
    of_key: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for (key, tier), one in routed.items():
        of_key[key][tier] = one.requests
    for (key, tier), one in merged(rows, ("key", "tier"), _is_chosen_by_client).items():
        decided = of_key[key]
        cheaper = {name: count for name, count in decided.items() if _TIERS.index(name) < _TIERS.index(tier)}
        total, below = sum(decided.values()), sum(cheaper.values())
        if one.requests >= MIN_REQUESTS and total >= MIN_REQUESTS and below >= MIN_CHEAPER_SHARE * total:
            target = max(cheaper, key=lambda name: cheaper[name])
            why = f"the client chose {tier}; for the same key the router sent {below:,} of {total:,} requests to a cheaper tier"
            yield _candidate(one, target, "router", why, endpoints)
    for (_, tier), one in merged(rows, ("key", "tier"), lambda one: one.group["ending"] == "answered").items():
        at = _TIERS.index(tier) if tier in _TIERS else 0
        if at == 0 or one.requests < MIN_REQUESTS:
            continue
        prompt, answer = one.input_tokens / one.requests, one.output_tokens / one.requests
        if 0 < prompt <= MAX_MEAN_INPUT and answer <= MAX_MEAN_OUTPUT:
            why = f"{prompt:.0f} tokens in and {answer:.0f} out on average: small, which is a hint and no proof that they are easy"
            yield _candidate(one, _TIERS[at - 1], "size", why, endpoints)


def _is_chosen_by_client(one: Aggregate) -> bool:
    return one.group["asked_for"] not in {"auto", "unknown", ""} and one.group["tier"] in _TIERS[1:]


def _candidate(one: Aggregate, cheaper: str, evidence: str, why: str, endpoints: Sequence[Endpoint]) -> CheaperTier:
    mean = Usage(input_tokens=one.input_tokens // one.requests, output_tokens=one.output_tokens // one.requests)
    prices = [endpoint.price for endpoint in endpoints if endpoint.tier == cheaper and endpoint.price is not None]
    costs = [mean.cost_millionths(price) * one.requests // 1000 for price in prices]
    return CheaperTier(
        key=one.group["key"],
        tier=one.group["tier"],
        cheaper=cheaper,
        evidence=evidence,
        why=why,
        requests=one.requests,
        cost_nusd=one.cost_nusd,
        cheaper_cost_nusd=min(costs, default=None),
    )


def _saving(one: CheaperTier) -> int:
    return one.cost_nusd - (one.cheaper_cost_nusd or 0)


def _saves(one: CheaperTier) -> bool:
    """False: the cheaper tier is known not to be cheaper."""
    return one.cheaper_cost_nusd is None or one.cost_nusd == 0 or _saving(one) > 0


def analysis_tree(found: Analysis) -> dict[str, Any]:
    """For JSON."""
    query = found.query
    return {
        "from": time_text(query.since_s),
        "to": time_text(query.until_s),
        "where": {name: list(values) for name, values in query.where.items()},
        "min_requests": MIN_REQUESTS,
        "escalations": found.escalations,
        "cost_by_reason": found.reasons,
        "anomalies": {
            "rule": RULE,
            "has_week_before": found.has_week_before,
            "found": [
                {name: value for name, value in msgspec.structs.asdict(one).items() if name != "weight"} for one in found.anomalies
            ],
        },
        "unused_endpoints": [
            {"endpoint": one.id, "model": one.name, "tier": str(one.tier), "provider": one.provider, "priority": one.priority}
            for one in found.unused
        ],
        "cheaper_tier": [_candidate_tree(one) for one in found.candidates],
    }


def _candidate_tree(one: CheaperTier) -> dict[str, Any]:
    cheaper = one.cheaper_cost_nusd
    return {
        "key": one.key,
        "tier": one.tier,
        "cheaper_tier": one.cheaper,
        "evidence": one.evidence,
        "why": one.why,
        "requests": one.requests,
        "cost_usd": usd_text(one.cost_nusd // 1000),
        "cheaper_cost_usd": None if cheaper is None else usd_text(cheaper // 1000),
    }
