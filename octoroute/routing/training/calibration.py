"""Thresholds from an operator's own traffic, of which the log has scores and digests, never text. Only `read_log` does I/O."""

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
    """A request of the log: its difficulty, and the digest of its features."""

    score: float
    features_hash: str = ""


class _LogLine(msgspec.Struct, frozen=True):
    """A line of the gateway's log, which has an `event`, or of a file of scores, which has none."""

    score: float | None = None
    features_hash: str = ""
    event: str | None = None


def line_for(text: str, score: float) -> str:
    """The line of a file of scores for one request."""
    return json.dumps({"score": round(score, 4), "features_hash": features_hash(extract_features(text))})


MIN_REQUESTS = 100
"""Fewer requests give no reliable shares."""


def read_log(path: str | Path) -> list[ScoreLine]:
    """Raises ConfigError: a line cannot be read, or the log has fewer than `MIN_REQUESTS`."""
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
            continue  # a line of the gateway's log about something else
        if line.score is None or not 0.0 <= line.score <= 1.0:
            shown = "nothing" if line.score is None else f"{line.score:g}"
            raise ConfigError([f"{path}: line {number}: score must be between 0 and 1, not {shown}"])
        lines.append(ScoreLine(line.score, line.features_hash))
    if len(lines) < MIN_REQUESTS:
        raise ConfigError([f"{path}: {len(lines)} requests; fewer than {MIN_REQUESTS} give no reliable shares"])
    return lines


def shares_at(scores: Sequence[float], thresholds: Thresholds) -> dict[str, float]:
    n = len(scores)
    fast = len([score for score in scores if score < thresholds.balanced])
    deep = len([score for score in scores if score >= thresholds.deep])
    return {"fast": fast / n, "balanced": (n - fast - deep) / n, "deep": deep / n}


_STEPS = 100
"""Shares are searched in steps of 1 / 100."""


def for_budget(scores: Sequence[float], prices: dict[str, float], budget: float) -> Thresholds:
    """The thresholds of least expected loss whose mean price stays within the budget; prices in USD per 1,000 requests.

    The hardest requests get the deep tier; the rest of the budget goes to the balanced tier. Raises ConfigError: even the fast
    tier costs more than the budget.
    """
    if budget < prices["fast"]:
        raise ConfigError([f"--budget {budget:g}: sending all requests to fast already costs {prices['fast']:g}"])
    marks = percentiles(scores)
    best, least_loss = from_shares({"fast": 1.0}, marks), sum(scores) / len(scores)
    for deep in range(_STEPS + 1):
        left = budget - prices["fast"] - (prices["deep"] - prices["fast"]) * deep / _STEPS
        if left < -1e-12:
            break
        rise = prices["balanced"] - prices["fast"]
        balanced = min(_STEPS - deep, int(left / rise * _STEPS + 1e-9) if rise > 0 else _STEPS)
        thresholds = from_shares({"fast": (_STEPS - deep - balanced) / _STEPS, "deep": deep / _STEPS}, marks)
        loss = _expected_loss(scores, thresholds)
        if loss < least_loss - 1e-12:
            best, least_loss = thresholds, loss
    return best


def for_quality_loss(scores: Sequence[float], prices: dict[str, float], loss: float) -> Thresholds:
    """The cheapest thresholds whose expected loss, compared with sending all requests to deep, is at most `loss` (0..1)."""
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


BALANCED_LOSS = 0.4
"""Assumed loss of the balanced tier as a part of the fast tier's; there are no labels for it yet."""


def _expected_loss(scores: Sequence[float], thresholds: Thresholds) -> float:
    """Mean chance, by the scores, that an answer is inadequate where the deep tier's would not be."""
    total = 0.0
    for score in scores:
        if score < thresholds.balanced:
            total += score
        elif score < thresholds.deep:
            total += BALANCED_LOSS * score
    return total / len(scores)
