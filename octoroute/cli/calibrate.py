"""`octoroute calibrate`: computes the score thresholds that reach given shares, a budget, or a quality on logged traffic."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from octoroute.errors import ConfigError

if TYPE_CHECKING:
    from octoroute.routing.difficulty.thresholds import Thresholds

_TIERS = ("fast", "balanced", "deep")


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--log", required=True, metavar="FILE", help='JSON lines with "score" and "features_hash"; no prompt text is needed'
    )
    goal = parser.add_mutually_exclusive_group(required=True)
    goal.add_argument(
        "--shares",
        metavar="fast=50%,balanced=35%,deep=15%",
        help="share of the traffic for each tier; one tier may be omitted and gets the rest",
    )
    goal.add_argument("--budget", type=float, metavar="USD", help="budget per 1,000 requests; needs --prices")
    goal.add_argument(
        "--max-quality-loss", metavar="2%", help="largest loss of quality compared with sending everything to deep; needs --prices"
    )
    parser.add_argument("--prices", metavar="fast=0.1,balanced=0.6,deep=5", help="USD per 1,000 requests of each tier")
    parser.add_argument("--unique", action="store_true", help="count requests with identical features once")
    parser.add_argument("--json", action="store_true", help="print JSON instead of TOML")


def run(args: argparse.Namespace) -> int:
    from octoroute.routing.training.calibration import read_log, shares_at  # noqa: PLC0415  commands import lazily

    lines = read_log(args.log)
    if args.unique:
        lines = list({line.features_hash or str(i): line for i, line in enumerate(lines)}.values())
    scores = [line.score for line in lines]
    thresholds = _thresholds(args, scores)
    shares = shares_at(scores, thresholds)
    remark = _missed(_shares(args.shares), shares, scores) if args.shares else None
    if args.json:
        limits = {"balanced": thresholds.balanced, "deep": thresholds.deep}
        found = {"requests": len(scores), "thresholds": limits, "shares": shares, **({"warning": remark} if remark else {})}
        print(json.dumps(found, indent=2))
        return 0
    if remark:
        print(f"# WARNING {remark}")
    print(f"# {len(scores)} requests: " + ", ".join(f"{tier} {shares[tier]:.1%}" for tier in _TIERS))
    print("[routing.learned]")
    print(f"thresholds = {{ balanced = {min(1.0, thresholds.balanced):.4f}, deep = {min(1.0, thresholds.deep):.4f} }}")
    return 0


_TOLERANCE = 0.02


def _missed(wanted: Mapping[str, float], found: Mapping[str, float], scores: Sequence[float]) -> str | None:
    """Return a remark if the shares that were asked for are not reached, because requests with equal scores cannot be divided."""
    if all(abs(wanted[tier] - found[tier]) <= _TOLERANCE for tier in _TIERS):
        return None
    score, count = Counter(scores).most_common(1)[0]
    asked = ", ".join(f"{tier} {wanted[tier]:.0%}" for tier in _TIERS)
    return (
        f"the shares asked for ({asked}) cannot be reached: requests with equal scores cannot be divided, and {count} of "
        f"{len(scores)} have the score {score:.4f}; use more varied traffic, or --unique"
    )


def _thresholds(args: argparse.Namespace, scores: list[float]) -> Thresholds:
    from octoroute.routing.difficulty.thresholds import from_shares, percentiles  # noqa: PLC0415
    from octoroute.routing.training.calibration import for_budget, for_quality_loss  # noqa: PLC0415

    if args.shares:
        return from_shares(_shares(args.shares), percentiles(scores))
    if not args.prices:
        raise ConfigError(["--prices: required by --budget and --max-quality-loss, e.g. fast=0.1,balanced=0.6,deep=5"])
    prices = _pairs("--prices", args.prices)
    missing = [tier for tier in _TIERS if tier not in prices]
    if missing:
        raise ConfigError([f"--prices: {', '.join(missing)} is missing"])
    if not prices["fast"] <= prices["balanced"] <= prices["deep"]:
        raise ConfigError(["--prices: fast must not cost more than balanced, nor balanced more than deep"])
    if args.budget is not None:
        return for_budget(scores, prices, args.budget)
    loss = _number("--max-quality-loss", args.max_quality_loss)
    if not 0 <= loss <= 1:
        raise ConfigError(["--max-quality-loss: must be between 0 % and 100 %"])
    return for_quality_loss(scores, prices, loss)


def _shares(text: str) -> dict[str, float]:
    """Return the share of each tier, 0 to 1; an omitted tier gets the rest. Raises ConfigError."""
    shares = _pairs("--shares", text)
    total = sum(shares.values())
    missing = [tier for tier in _TIERS if tier not in shares]
    if any(not 0 <= share <= 1 for share in shares.values()) or total > 1.0001:
        raise ConfigError(["--shares: each must be between 0 and 1 (or 0 % and 100 %), and their sum must not exceed 1"])
    if len(missing) > 1 or (not missing and abs(total - 1.0) > 0.001):
        raise ConfigError(["--shares: name at least two of fast, balanced, and deep; all three must add up to 100 %"])
    return {**shares, **dict.fromkeys(missing, 1.0 - total)}


def _pairs(option: str, text: str) -> dict[str, float]:
    """Parse `fast=0.1,deep=50%`. Raises ConfigError that names `option`."""
    values: dict[str, float] = {}
    for part in text.split(","):
        name, equals, value = part.strip().partition("=")
        if not equals or name not in _TIERS:
            raise ConfigError([f"{option}: {part.strip()!r} is not TIER=NUMBER; the tiers are {', '.join(_TIERS)}"])
        values[name] = _number(option, value)
    return values


def _number(option: str, text: str) -> float:
    """Parse a non-negative number or percentage. Raises ConfigError that names `option`."""
    try:
        number = float(text.strip().removesuffix("%"))
    except ValueError:
        number = -1.0
    if not 0 <= number < float("inf"):
        raise ConfigError([f"{option}: {text!r} is not a number of at least 0"])
    return number / 100.0 if text.strip().endswith("%") else number
