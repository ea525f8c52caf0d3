"""Maps a difficulty to a tier by two thresholds: set directly, as shares of traffic, or as one cost-quality knob. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from octoroute.domain.endpoint import CHAT_TIERS, Tier
from octoroute.errors import ConfigError

__all__ = [
    "DEFAULT_SHARES",
    "Options",
    "Thresholds",
    "at_quality",
    "from_shares",
    "percentiles",
    "quantile",
    "share_below",
    "thresholds_of",
]

DEFAULT_SHARES: Mapping[str, float] = {"fast": 0.5, "balanced": 0.35, "deep": 0.15}
"""Shares of everyday requests like those of `generic.txt`."""


class Thresholds(msgspec.Struct, frozen=True, kw_only=True):
    """Difficulties from which a tier is used: below `balanced` fast, from `deep` on deep."""

    balanced: float
    deep: float

    def tier(self, difficulty: float) -> Tier:
        if difficulty >= self.deep:
            return Tier.DEEP
        return Tier.BALANCED if difficulty >= self.balanced else Tier.FAST


class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[routing.learned]`. At most one of `shares`, `thresholds`, and `quality`; none: `DEFAULT_SHARES`."""

    artefact: str | None = None
    """Path of a file written by `octoroute train`; None: the shipped artefact."""
    shares: dict[str, float] | None = None
    """Share of traffic per tier; must add up to 1."""
    thresholds: dict[str, float] | None = None
    """`balanced` and `deep`: the difficulty from which a request goes there; `octoroute calibrate` prints them."""
    quality: float | None = None
    """0: as cheap as possible; 1: as good as possible; 0.5: the default shares."""


def thresholds_of(options: Options, percentiles: Sequence[float]) -> Thresholds:
    """`percentiles`: the difficulty at the 0th … 100th percentile of the traffic. Raises ConfigError with every problem."""
    given = [name for name in ("shares", "thresholds", "quality") if getattr(options, name) is not None]
    if len(given) > 1:
        raise ConfigError([f"routing.learned: give one of shares, thresholds, and quality, not {' and '.join(given)}"])
    if options.thresholds is not None:
        return _given(options.thresholds)
    if options.quality is not None:
        if not 0.0 <= options.quality <= 1.0:
            raise ConfigError([f"routing.learned.quality: must be between 0 and 1, not {options.quality:g}"])
        return at_quality(options.quality, from_shares(DEFAULT_SHARES, percentiles), percentiles)
    return from_shares(DEFAULT_SHARES if options.shares is None else _checked(options.shares), percentiles)


def _given(thresholds: Mapping[str, float]) -> Thresholds:
    problems = [
        f"routing.learned.thresholds.{name}: no such threshold; must be balanced or deep"
        for name in thresholds
        if name not in {"balanced", "deep"}
    ]
    problems += [f"routing.learned.thresholds.{name}: missing" for name in ("balanced", "deep") if name not in thresholds]
    problems += [
        f"routing.learned.thresholds.{n}: must be between 0 and 1, not {v:g}" for n, v in thresholds.items() if not 0 <= v <= 1
    ]
    if not problems and thresholds["balanced"] > thresholds["deep"]:
        problems.append("routing.learned.thresholds: balanced must not be above deep")
    if problems:
        raise ConfigError(problems)
    return Thresholds(balanced=thresholds["balanced"], deep=thresholds["deep"])


def _checked(shares: Mapping[str, float]) -> Mapping[str, float]:
    names = [tier.value for tier in CHAT_TIERS]
    problems = [
        f"routing.learned.shares.{name}: no such tier; must be one of {', '.join(names)}" for name in shares if name not in names
    ]
    problems += [
        f"routing.learned.shares.{name}: must be between 0 and 1, not {share:g}"
        for name, share in shares.items()
        if not 0 <= share <= 1
    ]
    total = 0.0
    for share in shares.values():
        total += share
    if not problems and abs(total - 1.0) > 0.01:
        problems.append(f"routing.learned.shares: must add up to 1, not {total:g}")
    if problems:
        raise ConfigError(problems)
    return shares


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
