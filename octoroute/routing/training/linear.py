"""The linear algebra of training, in pure Python: every machine and Python version gives the same weights, bit for bit."""

from __future__ import annotations

from collections.abc import Sequence
from math import log

import msgspec

from octoroute.routing.difficulty.model import sigmoid

__all__ = ["Columns", "constrained_ridge", "logistic", "mean", "sparse_ridge", "standardise"]

Rows = Sequence[Sequence[float]]


def mean(values: Sequence[float], weights: Sequence[float] | None = None) -> float:
    """The weighted mean, summed from left to right: `sum` rounds differently from Python 3.12 on. 0 without values."""
    total = above = 0.0
    for i, value in enumerate(values):
        weight = 1.0 if weights is None else weights[i]
        above += weight * value
        total += weight
    return above / total if total else 0.0


class Columns(msgspec.Struct, frozen=True):
    """Columns scaled to mean 0 and standard deviation 1, with their original means and deviations. A constant column is all 0."""

    values: list[list[float]]
    means: list[float]
    deviations: list[float]


def standardise(rows: Rows, weights: Sequence[float] | None = None) -> Columns:
    columns: list[list[float]] = []
    means: list[float] = []
    deviations: list[float] = []
    for column in zip(*rows, strict=True):
        middle = mean(column, weights)
        spread = mean([(value - middle) ** 2 for value in column], weights) ** 0.5
        scale = 1.0 / spread if spread > 1e-9 else 0.0
        columns.append([(value - middle) * scale for value in column])
        means.append(middle)
        deviations.append(spread if spread > 1e-9 else 0.0)
    return Columns(columns, means, deviations)


def _dot(a: Sequence[float], b: Sequence[float]) -> float:
    total = 0.0
    for x, y in zip(a, b, strict=True):
        total += x * y
    return total


def constrained_ridge(
    columns: list[list[float]], targets: list[float], signs: Sequence[int], penalty: float, weights: list[float] | None = None
) -> list[float]:
    """Least squares with an L2 penalty where sign +1 keeps a coefficient ≥ 0, -1 ≤ 0, and 0 leaves it free.

    Coordinate descent on the normal equations; the targets are taken as centred.
    """
    weighted = columns if weights is None else [[v * w for v, w in zip(column, weights, strict=True)] for column in columns]
    n = len(columns)
    gram = [[0.0] * n for _ in range(n)]
    for i in range(n):
        for j in range(i + 1):
            gram[i][j] = gram[j][i] = _dot(weighted[i], columns[j])
    pull = [_dot(column, targets) for column in weighted]
    fitted = [0.0] * n
    for _ in range(400):
        moved = 0.0
        for i in range(n):
            if not gram[i][i]:
                continue
            step = (pull[i] - _dot(gram[i], fitted) + gram[i][i] * fitted[i]) / (gram[i][i] + penalty)
            if step * signs[i] < 0.0:
                step = 0.0
            moved = max(moved, abs(step - fitted[i]))
            fitted[i] = step
        if moved < 1e-9:
            break
    return fitted


def sparse_ridge(
    rows: Sequence[Sequence[int]],
    scales: Sequence[float],
    factors: Sequence[float],
    targets: Sequence[float],
    penalty: float,
    sweeps: int = 25,
) -> list[float]:
    """Least squares over words: row r has the value `scales[r] * factors[w]` at each of its words w. Coordinate descent."""
    where: list[list[int]] = [[] for _ in factors]
    for r, row in enumerate(rows):
        for word in row:
            where[word].append(r)
    fitted = [0.0] * len(factors)
    rest = list(targets)
    squares = [scale * scale for scale in scales]
    norms = [factor * factor * _total(squares, where[w]) + penalty for w, factor in enumerate(factors)]
    for _ in range(sweeps):
        for w, factor in enumerate(factors):
            members = where[w]
            along = 0.0
            for r in members:
                along += rest[r] * scales[r]
            step = (factor * along - penalty * fitted[w]) / norms[w]
            fitted[w] += step
            change = step * factor
            for r in members:
                rest[r] -= change * scales[r]
    return fitted


def _total(values: Sequence[float], places: Sequence[int]) -> float:
    total = 0.0
    for place in places:
        total += values[place]
    return total


def logistic(scores: Sequence[float], labels: Sequence[float], weights: Sequence[float] | None = None) -> tuple[float, float]:
    """Platt's slope and offset, by Newton steps: `sigmoid(slope * score + offset)` is the chance of the label, 0..1."""
    rate = min(0.99, max(0.01, mean(labels, weights)))
    slope, offset = 0.0, log(rate / (1.0 - rate))
    for _ in range(30):
        g0 = g1 = h00 = h01 = h11 = 1e-12
        for i, score in enumerate(scores):
            weight = 1.0 if weights is None else weights[i]
            p = sigmoid(slope * score + offset)
            miss = weight * (labels[i] - p)
            curve = weight * p * (1.0 - p)
            g0 += miss
            g1 += miss * score
            h00 += curve
            h01 += curve * score
            h11 += curve * score * score
        h11 += 1e-3
        g1 -= 1e-3 * slope
        determinant = h00 * h11 - h01 * h01
        if abs(determinant) < 1e-18:
            break
        down, right = (h11 * g0 - h01 * g1) / determinant, (h00 * g1 - h01 * g0) / determinant
        offset, slope = offset + down, slope + right
        if abs(down) + abs(right) < 1e-10:
            break
    return slope, offset
