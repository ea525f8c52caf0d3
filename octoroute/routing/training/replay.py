"""Off-policy evaluation: estimates with intervals of what other thresholds would have done on logged decisions. Pure.

Inverse propensity scoring, its self-normalised form, and the doubly robust estimate (Dudík, Langford, Li, arXiv 1103.4601); the
outcome model is a table of means by tier and score, fitted on the other half of the log.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from random import Random

import msgspec

from octoroute.domain.endpoint import CHAT_TIERS, Tier
from octoroute.errors import ConfigError
from octoroute.routing.difficulty.thresholds import Thresholds

__all__ = ["THRESHOLD_REASONS", "DecisionLine", "Estimate", "ReplayPolicy", "ReplayReport", "compare", "read_decisions"]

MIN_DECISIONS = 100
"""Fewer decisions give no reliable estimate."""
BINS = 5
"""Score bins of the outcome model."""
RESAMPLES = 500
_CERTAIN = 1.0 - 1e-9

THRESHOLD_REASONS = frozenset({"the learned score", "drawn by lot, to learn from it"})
"""The `why` of decisions that thresholds make. All others (sticky, demanded by the client) are the same under any policy."""


class DecisionLine(msgspec.Struct, frozen=True):
    """One decision of the gateway's log or of the shadow file."""

    score: float
    tier: Tier
    propensity: float
    why: str = "the learned score"
    reward: float | None = None
    """Quality of the answer, 0..1; None: not judged."""
    cost_usd: float | None = None

    @property
    def by_threshold(self) -> bool:
        return self.why in THRESHOLD_REASONS


class _DecisionFields(msgspec.Struct):
    score: float | None = None
    tier: Tier | None = None
    propensity: float | None = None
    why: str = "the learned score"
    reward: float | None = None
    cost_usd: float | None = None


class ReplayPolicy(msgspec.Struct, frozen=True):
    """Thresholds over the score; the share `explore` of decisions is drawn at random among `tiers`."""

    thresholds: Thresholds
    explore: float
    tiers: tuple[Tier, ...]

    def chance(self, score: float, tier: Tier) -> float:
        each = self.explore / len(self.tiers) if tier in self.tiers else 0.0
        return each + (1.0 - self.explore if tier is self._greedy(score) else 0.0)

    def _greedy(self, score: float) -> Tier:
        """A tier without an endpoint falls to the next bigger one, then to the next smaller."""
        wanted = CHAT_TIERS.index(self.thresholds.tier(score))
        order = [*CHAT_TIERS[wanted:], *reversed(CHAT_TIERS[:wanted])]
        return next(tier for tier in order if tier in self.tiers)


class Estimate(msgspec.Struct, frozen=True):
    value: float
    low: float
    high: float
    """`low` and `high`: the middle 95 % of the resamples."""


class ReplayReport(msgspec.Struct, frozen=True):
    """The estimates of one outcome, `quality` or `cost_usd`, per decision."""

    outcome: str
    decisions: int
    effective: float
    """Effective sample size under the new policy: (Σw)²/Σw²."""
    today: Estimate
    ips: Estimate
    snips: Estimate
    doubly_robust: Estimate
    difference: Estimate
    """Doubly robust minus today, over the same resamples."""


def read_decisions(path: str | Path) -> list[DecisionLine]:
    """Lines without a score are skipped. Raises ConfigError: a line cannot be used, or there are fewer than `MIN_DECISIONS`."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([f"{path}: cannot be read ({type(error).__name__})"]) from None
    decoder = msgspec.json.Decoder(_DecisionFields)
    lines: list[DecisionLine] = []
    for number, raw in enumerate(text.splitlines(), 1):
        if not raw.strip():
            continue
        try:
            read = decoder.decode(raw)
        except msgspec.MsgspecError as error:
            raise ConfigError([f"{path}: line {number}: not a logged decision ({error})"]) from None
        if read.score is None or read.tier is None:
            continue
        lines.append(_checked(read, read.score, read.tier, f"{path}: line {number}"))
    if len(lines) < MIN_DECISIONS:
        raise ConfigError([f"{path}: {len(lines)} decisions; fewer than {MIN_DECISIONS} give no reliable estimate"])
    return lines


def _checked(read: _DecisionFields, score: float, tier: Tier, where: str) -> DecisionLine:
    if read.propensity is None:
        problem = "has no propensity, so the effect of another decision cannot be estimated"
        raise ConfigError([f"{where}: {problem}; use a log of strategy learned with routing.learned.explore above 0"])
    if not 0.0 < read.propensity <= 1.0:
        raise ConfigError([f"{where}: propensity must be above 0 and at most 1, not {read.propensity:g}"])
    if read.reward is not None and not 0.0 <= read.reward <= 1.0:
        raise ConfigError([f"{where}: reward must be between 0 and 1, not {read.reward:g}"])
    return DecisionLine(score, tier, read.propensity, read.why, read.reward, read.cost_usd)


def compare(lines: Sequence[DecisionLine], policy: ReplayPolicy, seed: int = 0) -> list[ReplayReport]:
    """A report for each outcome that the log has. Raises ConfigError: the log cannot support an estimate."""
    _check_support(lines, policy)
    outcomes: Mapping[str, Callable[[DecisionLine], float | None]] = {
        "quality": lambda line: line.reward,
        "cost_usd": lambda line: line.cost_usd,
    }
    reports: list[ReplayReport] = []
    for name, outcome in outcomes.items():
        pairs = [(line, value) for line in lines if (value := outcome(line)) is not None]
        if len(pairs) >= MIN_DECISIONS:
            reports.append(_report(name, [line for line, _ in pairs], [value for _, value in pairs], policy, Random(seed)))
    if not reports:
        raise ConfigError(
            [f"the log has neither reward nor cost_usd on {MIN_DECISIONS} decisions; use the shadow file, or set prices"]
        )
    return reports


def _check_support(lines: Sequence[DecisionLine], policy: ReplayPolicy) -> None:
    """Raises ConfigError if a logged decision was certain and the other policy may differ: its outcomes were never seen."""
    unseen = sum(
        line.by_threshold and line.propensity >= _CERTAIN and policy.chance(line.score, line.tier) < _CERTAIN for line in lines
    )
    if unseen:
        problem = (
            f"{unseen} of {len(lines)} decisions were certain, and the policies differ there: what another tier would have answered"
        )
        raise ConfigError([f"{problem} was never seen; log with routing.learned.explore above 0 (0.02 is a start)"])


def weights_of(lines: Sequence[DecisionLine], policy: ReplayPolicy) -> list[float]:
    return [policy.chance(line.score, line.tier) / line.propensity if line.by_threshold else 1.0 for line in lines]


def _report(
    name: str, lines: Sequence[DecisionLine], values: Sequence[float], policy: ReplayPolicy, random: Random
) -> ReplayReport:
    weights = weights_of(lines, policy)
    robust = _doubly_robust(lines, values, weights, policy)
    rows = [(w, w * value, value, dr) for w, value, dr in zip(weights, values, robust, strict=True)]
    resampled = [_means(random.choices(rows, k=len(rows))) for _ in range(RESAMPLES)]
    whole = _means(rows)

    def estimate(at: int) -> Estimate:
        ranked = sorted(draw[at] for draw in resampled)
        return Estimate(whole[at], ranked[round(0.025 * (RESAMPLES - 1))], ranked[round(0.975 * (RESAMPLES - 1))])

    total = sum(weights)
    square = sum(weight * weight for weight in weights)
    today, ips, snips, doubly, difference = (estimate(at) for at in range(5))
    return ReplayReport(name, len(lines), total * total / square if square else 0.0, today, ips, snips, doubly, difference)


def _means(rows: Sequence[tuple[float, float, float, float]]) -> tuple[float, float, float, float, float]:
    """(today, IPS, SNIPS, doubly robust, doubly robust minus today)."""
    n = len(rows)
    weight = weighted = plain = robust = 0.0
    for w, wv, value, dr in rows:
        weight += w
        weighted += wv
        plain += value
        robust += dr
    return plain / n, weighted / n, weighted / weight if weight else 0.0, robust / n, (robust - plain) / n


def _doubly_robust(
    lines: Sequence[DecisionLine], values: Sequence[float], weights: Sequence[float], policy: ReplayPolicy
) -> list[float]:
    """Of each decision: the outcome model's expectation under the policy, corrected by the weighted residual of what was seen."""
    edges = _edges([line.score for line in lines if line.by_threshold])
    halves = [_OutcomeModel(lines[other::2], values[other::2], edges) for other in (1, 0)]
    found: list[float] = []
    for at, (line, value, weight) in enumerate(zip(lines, values, weights, strict=True)):
        if not line.by_threshold:
            found.append(value)
            continue
        model = halves[at % 2]
        expected = sum(policy.chance(line.score, tier) * model.expects(line.score, tier) for tier in CHAT_TIERS)
        found.append(expected + weight * (value - model.expects(line.score, line.tier)))
    return found


def _edges(scores: Sequence[float]) -> list[float]:
    ranked = sorted(scores)
    return [ranked[len(ranked) * at // BINS] for at in range(1, BINS)] if ranked else []


class _OutcomeModel:
    """Mean outcomes by tier and score bin, shrunk towards the tier's mean, which is shrunk towards the overall mean."""

    def __init__(self, lines: Sequence[DecisionLine], values: Sequence[float], edges: Sequence[float]) -> None:
        self._edges = edges
        self._whole = sum(values) / len(values) if values else 0.0
        self._sums: dict[tuple[Tier, int], tuple[float, int]] = {}
        self._tiers: dict[Tier, tuple[float, int]] = {}
        for line, value in zip(lines, values, strict=True):
            if line.by_threshold:
                self._add(line.tier, self._bin(line.score), value)

    def expects(self, score: float, tier: Tier) -> float:
        total, n = self._tiers.get(tier, (0.0, 0))
        mean = (total + 2.0 * self._whole) / (n + 2.0)
        total, n = self._sums.get((tier, self._bin(score)), (0.0, 0))
        return (total + 2.0 * mean) / (n + 2.0)

    def _add(self, tier: Tier, at: int, value: float) -> None:
        total, n = self._sums.get((tier, at), (0.0, 0))
        self._sums[tier, at] = (total + value, n + 1)
        total, n = self._tiers.get(tier, (0.0, 0))
        self._tiers[tier] = (total + value, n + 1)

    def _bin(self, score: float) -> int:
        return sum(score >= edge for edge in self._edges)
