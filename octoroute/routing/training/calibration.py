"""Thresholds from one's own traffic: kept as scores and digests, never as text. Pure but for features the log."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import msgspec

from octoroute.errors import ConfigError
from octoroute.routing.difficulty.features import extract_features, features_hash
from octoroute.routing.difficulty.thresholds import Thresholds, from_shares, percentiles

__all__ = ["ScoreLine", "for_budget", "for_quality_loss", "line_for", "read_log", "shares_at"]


class ScoreLine(msgspec.Struct, frozen=True):
    """One request of the log."""

    score: float
    features_hash: str = ""


class _LogLine(msgspec.Struct, frozen=True):
    """A line of the gateway's own log, or of a file of scores; `event` tells the former."""

    score: float | None = None
    features_hash: str = ""
    event: str | None = None


def line_for(text: str, score: float) -> str:
    """What a log of scores keeps of one request."""
    return json.dumps({"score": round(score, 4), "features_hash": features_hash(extract_features(text))})


MIN_REQUESTS = 100


def read_log(path: str | Path) -> list[ScoreLine]:
    """ConfigError names the line that cannot be read, or a log too short to take shares of."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([f"{path}: cannot be read ({type(error).__name__})"]) from None
    decoder = msgspec.json.Decoder(_LogLine)
    lines: list[ScoreLine] = []
    for number, raw in enumerate(text.splitlines(), 1):
        if not raw.strip():
            continue
        try:
            line = decoder.decode(raw)
        except msgspec.MsgspecError as error:
            raise ConfigError([f'{path}: line {number}: must be {{"score": 0..1, "features_hash": "…"}} ({error})']) from None
        if line.score is None and line.event is not None:
            continue  # the gateway's log tells of other things as well
        if line.score is None or not 0.0 <= line.score <= 1.0:
            shown = "nothing" if line.score is None else f"{line.score:g}"
            raise ConfigError([f"{path}: line {number}: score must be between 0 and 1, not {shown}"])
        lines.append(ScoreLine(line.score, line.features_hash))
    if len(lines) < MIN_REQUESTS:
        raise ConfigError([f"{path}: {len(lines)} requests; shares of fewer than {MIN_REQUESTS} mean nothing"])
    return lines


def shares_at(scores: Sequence[float], thresholds: Thresholds) -> dict[str, float]:
    n = len(scores)
    fast = len([score for score in scores if score < thresholds.balanced])
    deep = len([score for score in scores if score >= thresholds.deep])
    return {"fast": fast / n, "balanced": (n - fast - deep) / n, "deep": deep / n}


_STEPS = 100


def for_budget(scores: Sequence[float], prices: dict[str, float], budget: float) -> Thresholds:
    """The best thresholds whose mean price stays within the budget, both in USD per 1,000 requests.

    Best: the hardest requests get the bigger model, and what is left of the money goes to the middle. ConfigError: even the
    cheapest tier costs more.
    """
    if budget < prices["fast"]:
        raise ConfigError([f"--budget {budget:g}: all on fast costs {prices['fast']:g} already"])
    marks = percentiles(scores)
    best, wasted = from_shares({"fast": 1.0}, marks), sum(scores) / len(scores)
    for deep in range(_STEPS + 1):
        left = budget - prices["fast"] - (prices["deep"] - prices["fast"]) * deep / _STEPS
        if left < -1e-12:
            break
        rise = prices["balanced"] - prices["fast"]
        balanced = min(_STEPS - deep, int(left / rise * _STEPS + 1e-9) if rise > 0 else _STEPS)
        thresholds = from_shares({"fast": (_STEPS - deep - balanced) / _STEPS, "deep": deep / _STEPS}, marks)
        loss = _expected_loss(scores, thresholds)
        if loss < wasted - 1e-12:
            best, wasted = thresholds, loss
    return best


def for_quality_loss(scores: Sequence[float], prices: dict[str, float], loss: float) -> Thresholds:
    """The cheapest thresholds whose expected loss against sending everything to deep stays within `loss` (0..1)."""
    marks = percentiles(scores)
    best: Thresholds | None = None
    cheapest = float("inf")
    for deep in range(0, _STEPS + 1, 2):
        for balanced in range(0, _STEPS + 1 - deep, 2):
            fast = _STEPS - deep - balanced
            cost = prices["fast"] * fast + prices["balanced"] * balanced + prices["deep"] * deep
            if cost >= cheapest:
                continue
            thresholds = from_shares({"fast": fast / _STEPS, "deep": deep / _STEPS}, marks)
            if _expected_loss(scores, thresholds) <= loss:
                best, cheapest = thresholds, cost
    return best or from_shares({"deep": 1.0}, marks)


MIDDLE = 0.4
"""Of the cheap tier's losses, the part that the middle tier still loses; a guess until it has labels of its own."""


def _expected_loss(scores: Sequence[float], thresholds: Thresholds) -> float:
    """Mean chance that an answer would not do where deep's would, as far as the score tells."""
    total = 0.0
    for score in scores:
        if score < thresholds.balanced:
            total += score
        elif score < thresholds.deep:
            total += MIDDLE * score
    return total / len(scores)
