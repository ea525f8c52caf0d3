"""Maps a difficulty to a tier by two thresholds: set directly, as shares of traffic, or as one cost-quality knob. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

import msgspec

from octoroute.domain import text_check
from octoroute.domain.endpoint import Tier
from octoroute.domain.option import Key, Table
from octoroute.errors import ConfigError

__all__ = [
    "DEFAULT_SHARES",
    "LearnedOptions",
    "Thresholds",
    "TrafficShares",
    "at_quality",
    "from_shares",
    "percentiles",
    "quantile",
    "share_below",
    "thresholds_of",
]

DEFAULT_SHARES: Mapping[str, float] = {"fast": 0.5, "balanced": 0.35, "deep": 0.15}
"""Shares of everyday requests like those of `generic.txt`."""


class Thresholds(Table, frozen=True, kw_only=True):
    """Lowest difficulty of a tier; a request below `balanced` goes to fast."""

    balanced: Annotated[float, Key("lowest difficulty of the balanced tier", low=0, high=1, required=True)] = 0.0
    deep: Annotated[float, Key("lowest difficulty of the deep tier", low=0, high=1, required=True)] = 1.0

    def tier(self, difficulty: float) -> Tier:
        if difficulty >= self.deep:
            return Tier.DEEP
        return Tier.BALANCED if difficulty >= self.balanced else Tier.FAST


class TrafficShares(Table, frozen=True, kw_only=True):
    """Share of the requests for `auto` by tier; the shares add up to 1."""

    fast: Annotated[float, Key("share of the fast tier", low=0, high=1)] = 0.0
    balanced: Annotated[float, Key("share of the balanced tier", low=0, high=1)] = 0.0
    deep: Annotated[float, Key("share of the deep tier", low=0, high=1)] = 0.0


class LearnedOptions(Table, frozen=True, kw_only=True):
    """For the strategies learned and cascade: from a difficulty to a tier. Set at most one of shares, thresholds, and quality."""

    artefact: Annotated[
        str | None,
        Key(
            "file written by `octoroute train`; default: the one that is installed with octoroute",
            check=text_check.label,
            example='"router.json"',
        ),
    ] = None
    shares: Annotated[
        TrafficShares | None,
        Key(
            "share of everyday traffic for each tier; default: fast 0.5, balanced 0.35, deep 0.15",
            example="{ fast = 0.5, balanced = 0.35, deep = 0.15 }",
        ),
    ] = None
    thresholds: Annotated[
        Thresholds | None,
        Key("instead of shares: the difficulties that `octoroute calibrate` prints", example="{ balanced = 0.31, deep = 0.66 }"),
    ] = None
    quality: Annotated[
        float | None,
        Key(
            "instead of shares: 0 is as cheap as possible, 1 as good as possible, 0.5 equals the default shares",
            low=0,
            high=1,
            example="0.5",
        ),
    ] = None
    explore: Annotated[
        float,
        Key(
            "share of requests that go to a tier chosen at random, so that `octoroute replay` can compare policies",
            low=0,
            high=0.5,
        ),
    ] = 0.0


def thresholds_of(options: LearnedOptions, percentiles: Sequence[float]) -> Thresholds:
    """Raises ConfigError with the key of the problem. `percentiles`: the difficulty at the 0th … 100th percentile of the traffic.

    Ranges and missing keys are not checked here: the configuration's reader has done that.
    """
    given = [name for name in ("shares", "thresholds", "quality") if getattr(options, name) is not None]
    if len(given) > 1:
        raise ConfigError([f"routing.learned: give one of shares, thresholds, and quality, not {' and '.join(given)}"])
    if options.thresholds is not None:
        if options.thresholds.balanced > options.thresholds.deep:
            raise ConfigError(["routing.learned.thresholds: balanced must not be above deep"])
        return options.thresholds
    if options.quality is not None:
        return at_quality(options.quality, from_shares(DEFAULT_SHARES, percentiles), percentiles)
    return from_shares(DEFAULT_SHARES if options.shares is None else _checked(options.shares), percentiles)


def _checked(shares: TrafficShares) -> Mapping[str, float]:
    total = shares.fast + shares.balanced + shares.deep
    if abs(total - 1.0) > 0.01:
        raise ConfigError([f"routing.learned.shares: must add up to 1, not {total:g}"])
    return msgspec.structs.asdict(shares)


def from_shares(shares: Mapping[str, float], percentiles: Sequence[float]) -> Thresholds:
    """Thresholds that give these shares of the traffic; a tier of share 0 is never used."""
    fast, deep = shares.get("fast", 0.0), shares.get("deep", 0.0)
    balanced_from = quantile(percentiles, fast)
    deep_from = quantile(percentiles, 1.0 - deep)
    return Thresholds(balanced=min(balanced_from, deep_from), deep=max(balanced_from, deep_from))


def quantile(percentiles: Sequence[float], share: float) -> float:
    """The difficulty below which `share` (0..1) of the traffic lies; at 1 it is above every difficulty."""
    if share <= 1e-9:
        return 0.0
    if share >= 1.0 - 1e-9:
        return 1.01
    at = share * (len(percentiles) - 1)
    low = int(at)
    high = min(low + 1, len(percentiles) - 1)
    return percentiles[low] + (percentiles[high] - percentiles[low]) * (at - low)


def percentiles(scores: Sequence[float]) -> list[float]:
    """The 0th, 1st, … 100th percentile of the scores, by nearest rank."""
    ordered = sorted(scores)
    last = len(ordered) - 1
    return [round(ordered[round(last * i / 100)], 4) for i in range(101)]


def share_below(percentiles: Sequence[float], difficulty: float) -> float:
    """The inverse of `quantile`."""
    last = len(percentiles) - 1
    if difficulty <= percentiles[0]:
        return 0.0
    for i in range(1, last + 1):
        if difficulty <= percentiles[i]:
            width = percentiles[i] - percentiles[i - 1]
            return (i - 1 + ((difficulty - percentiles[i - 1]) / width if width else 1.0)) / last
    return 1.0


def at_quality(quality: float, usual: Thresholds, percentiles: Sequence[float]) -> Thresholds:
    """Both thresholds at a `quality` of 0..1: 0 sends all traffic to fast, ½ leaves `usual` as it is, 1 sends all to deep."""
    fast, below_deep = share_below(percentiles, usual.balanced), share_below(percentiles, usual.deep)
    move = 2.0 * quality - 1.0

    def moved(share: float) -> float:
        return share * (1.0 - move) if move >= 0 else share + (1.0 - share) * -move

    return Thresholds(balanced=quantile(percentiles, moved(fast)), deep=quantile(percentiles, moved(below_deep)))
