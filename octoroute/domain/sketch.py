"""A mergeable histogram of durations, from which percentiles are read with a bounded relative error. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Mapping, Sequence
from math import ceil, log

PERCENTILE_ERROR = 0.01
"""Relative error of a percentile, at most."""

_GROWTH = (1 + PERCENTILE_ERROR) / (1 - PERCENTILE_ERROR)
"""Ratio of the bounds of two neighbouring buckets of a `DDSketch`."""
_INDEX_PER_LOG = 1 / log(_GROWTH)
_MIN_S = 1e-6
_MIN_INDEX = ceil(log(_MIN_S) * _INDEX_PER_LOG)


class DDSketch:
    """A mergeable histogram of seconds whose buckets grow by a constant factor, so that a percentile is at most 1 % off.

    Values below a microsecond count as one. Source: Masson, Rim and Lee, DDSketch, VLDB 2019.
    """

    __slots__ = ("_buckets", "count", "sum_s")

    def __init__(self, buckets: Mapping[int, int] | None = None, sum_s: float = 0.0) -> None:
        """`buckets` and `sum_s`: of another sketch, whose copy this one becomes."""
        self._buckets: defaultdict[int, int] = defaultdict(int, buckets or {})
        """Counts by index: the upper bound of bucket i is `_GROWTH ** i`."""
        self.count = sum(self._buckets.values()) if buckets else 0
        self.sum_s = sum_s

    @property
    def buckets(self) -> Mapping[int, int]:
        """Counts by the index of their bucket; with `sum_s` all that the sketch holds."""
        return self._buckets

    def add(self, seconds: float) -> None:
        self._buckets[ceil(log(seconds) * _INDEX_PER_LOG) if seconds > _MIN_S else _MIN_INDEX] += 1
        self.count += 1
        self.sum_s += seconds

    def extend(self, values_s: Sequence[float]) -> None:
        """A bucket costs more than a value: the values of a bucket are counted together."""
        buckets, ordered, at = self._buckets, sorted(values_s), 0
        while at < len(ordered):
            seconds = ordered[at]
            index = ceil(log(seconds) * _INDEX_PER_LOG) if seconds > _MIN_S else _MIN_INDEX
            end = bisect_right(ordered, _GROWTH**index, at + 1)
            buckets[index] += end - at
            at = end
        self.count += len(ordered)
        self.sum_s += sum(ordered)

    def merge(self, other: DDSketch) -> None:
        self.merge_buckets(other._buckets, other.sum_s)

    def merge_buckets(self, buckets: Mapping[int, int], sum_s: float) -> None:
        """Add what another sketch holds, without making it. The smaller one is added to the larger one, bucket by bucket."""
        self.count += sum(buckets.values())
        self.sum_s += sum_s
        if len(buckets) > len(self._buckets):
            buckets, self._buckets = self._buckets, defaultdict(int, buckets)
        own = self._buckets
        for index, count in buckets.items():
            own[index] += count

    @property
    def mean_s(self) -> float | None:
        return self.sum_s / self.count if self.count else None

    def percentile_s(self, share: float) -> float | None:
        """The smallest value that `share` of all values do not exceed, `share` between 0 and 1; None: there is no value."""
        rank = max(1, ceil(share * self.count))
        seen = 0
        for index in sorted(self._buckets):
            seen += self._buckets[index]
            if seen >= rank:
                return 2 * _GROWTH**index / (_GROWTH + 1)
        return None
