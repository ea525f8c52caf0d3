"""Metrics of a router: the curve of quality over the share of strong calls, and figures taken from it. Pure; ties are averaged.

APGR and CPT: RouteLLM (arXiv 2406.18665, section 3). AIQ: RouterBench (arXiv 2403.12031).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from math import fsum
from random import Random

import msgspec

__all__ = ["Interval", "Point", "aiq", "apgr", "apgr_routellm", "bootstrap", "cpt", "curve", "interval", "places"]

NAN = float("nan")


class Point(msgspec.Struct, frozen=True):
    """A point of the curve; quality and cost are means per question."""

    share: float
    """Share of questions that go to the strong model."""
    quality: float
    cost: float = 0.0


class Interval(msgspec.Struct, frozen=True):
    low: float
    high: float


def places(scores: Sequence[float]) -> list[float]:
    """Each question's relative rank, highest score first: (rank - ½) / n; ties share their mean rank."""
    n = len(scores)
    order = sorted(range(n), key=lambda i: -scores[i])
    results = [0.0] * n
    at = 0
    while at < n:
        end = at
        while end < n and scores[order[end]] == scores[order[at]]:
            end += 1
        for i in order[at:end]:
            results[i] = (at + end) / 2.0 / n
        at = end
    return results


def apgr(scores: Sequence[float], gains: Sequence[float]) -> float:
    """Average performance gap recovered, exact over all shares; random routing gives ½. NaN: the strong model is no better."""
    gap = fsum(gains)
    if not gains or gap <= 0.0:
        return NAN
    return fsum(gain * (1.0 - place) for gain, place in zip(gains, places(scores), strict=True)) / gap


def curve(
    scores: Sequence[float], strong: Sequence[float], weak: Sequence[float], costs: Sequence[tuple[float, float]] | None = None
) -> list[Point]:
    """The curve from all weak to all strong, a point per question; ties lie on a straight line. `costs`: (strong, weak) of each."""
    n = len(scores)
    quality = fsum(weak) / n
    cost = fsum(cheap for _, cheap in costs) / n if costs else 0.0
    points = [Point(0.0, quality, cost)]
    order = sorted(range(n), key=lambda i: -scores[i])
    at = 0
    while at < n:
        end = at
        while end < n and scores[order[end]] == scores[order[at]]:
            end += 1
        tied = order[at:end]
        gain = fsum(strong[i] - weak[i] for i in tied) / len(tied) / n
        dearer = fsum(costs[i][0] - costs[i][1] for i in tied) / len(tied) / n if costs else 0.0
        points += [Point((at + k) / n, quality + gain * k, cost + dearer * k) for k in range(1, len(tied) + 1)]
        quality, cost, at = quality + gain * len(tied), cost + dearer * len(tied), end
    return points


def cpt(points: Sequence[Point], recovered: float) -> float:
    """Call-performance threshold: the least share of strong calls that recovers this part (0..1) of the gap. NaN: no gap."""
    weak, strong = points[0].quality, points[-1].quality
    if strong <= weak:
        return NAN
    wanted = weak + recovered * (strong - weak)
    before = points[0]
    for point in points:
        if point.quality >= wanted - 1e-12:
            rise = point.quality - before.quality
            return point.share if rise <= 0 else before.share + (point.share - before.share) * (wanted - before.quality) / rise
        before = point
    return 1.0


def apgr_routellm(scores: Sequence[float], strong: Sequence[float], weak: Sequence[float]) -> float:
    """APGR as RouteLLM's code computes it: eleven thresholds at the deciles of the scores, trapezoids, ties split by a jitter."""
    n = len(scores)
    gap = fsum(strong) - fsum(weak)
    if gap <= 0.0:
        return NAN
    rng = Random(0)
    jittered = [score + 1e-9 * rng.random() for score in scores]
    low = sorted(jittered)
    edges = [_quantile(low, k / 10) for k in range(11)]
    points = sorted(
        (
            sum(score >= edge for score in jittered) / n,
            fsum(s - w for x, s, w in zip(jittered, strong, weak, strict=True) if x >= edge) / gap,
        )
        for edge in edges
    )
    points = [(0.0, 0.0), *points, (1.0, 1.0)]
    return fsum((b[0] - a[0]) * (a[1] + b[1]) / 2 for a, b in pairwise(points))


def _quantile(ordered: Sequence[float], q: float) -> float:
    at = q * (len(ordered) - 1)
    low = int(at)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (at - low)


def aiq(points: Sequence[Point]) -> float:
    """Average improvement in quality: the mean height of the non-decreasing convex hull over cost. NaN: no costs."""
    low, high = min(point.cost for point in points), max(point.cost for point in points)
    if high <= low:
        return NAN
    hull: list[Point] = []
    for point in sorted(points, key=lambda p: (p.cost, p.quality)):
        if hull and point.quality < hull[-1].quality:
            point = msgspec.structs.replace(point, quality=hull[-1].quality)  # noqa: PLW2901 - never worse for more money
        while len(hull) > 1 and _above(hull[-2], hull[-1], point):
            hull.pop()
        hull.append(point)
    area = fsum((b.cost - a.cost) * (a.quality + b.quality) / 2 for a, b in pairwise(hull))
    return area / (high - low)


def _above(a: Point, b: Point, c: Point) -> bool:
    """Whether `b` lies on or below the line from `a` to `c`."""
    return (b.quality - a.quality) * (c.cost - a.cost) <= (c.quality - a.quality) * (b.cost - a.cost)


def bootstrap(
    scored: Mapping[str, Sequence[float]], gains: Sequence[float], *, times: int, seed: int = 0
) -> dict[str, list[float]]:
    """APGR of every router on the same `times` resamples, so that paired differences can be taken."""
    n = len(gains)
    rng = Random(seed)
    orders = {name: _tied(scores) for name, scores in scored.items()}
    results: dict[str, list[float]] = {name: [] for name in scored}
    questions = range(n)
    for _ in range(times):
        counts = [0] * n
        for i in rng.choices(questions, k=n):
            counts[i] += 1
        gap = fsum(count * gain for count, gain in zip(counts, gains, strict=True))
        for name, tied in orders.items():
            results[name].append(_resampled(tied, counts, gains, n) / gap if gap > 0 else NAN)
    return results


def _tied(scores: Sequence[float]) -> list[list[int]]:
    groups: dict[float, list[int]] = {}
    for i, score in enumerate(scores):
        groups.setdefault(score, []).append(i)
    return [groups[score] for score in sorted(groups, reverse=True)]


def _resampled(tied: Sequence[Sequence[int]], counts: Sequence[int], gains: Sequence[float], n: int) -> float:
    """Σ gain · (1 - relative rank) of one resample."""
    before = 0
    total = 0.0
    for group in tied:
        size, gain = 0, 0.0
        for i in group:
            count = counts[i]
            if count:
                size += count
                gain += count * gains[i]
        if size:
            total += gain * (1.0 - (before + size / 2.0) / n)
            before += size
    return total


def interval(values: Sequence[float], level: float = 0.95) -> Interval:
    """The percentile interval; resamples without a gap (NaN) are left out."""
    known = sorted(value for value in values if value == value)  # noqa: PLR0124 - leaves out NaN
    if not known:
        return Interval(NAN, NAN)
    return Interval(_quantile(known, (1 - level) / 2), _quantile(known, (1 + level) / 2))
