"""Compares routers on labelled rows: a table per set, the macro mean over sets, and a figure per group. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import fsum

import msgspec

from octoroute.routing.training.datasets import DatasetRow
from octoroute.routing.training.metrics import Interval, Point, aiq, apgr, apgr_routellm, bootstrap, cpt, curve, interval

__all__ = ["MACRO", "Cell", "EvaluationReport", "ResultTable", "evaluate"]

MACRO = "macro mean"
BASELINE = "length"
_MAX_BOOTSTRAP_VISITS = 2_500_000
"""Upper bound of questions times resamples of one set and router; a few seconds of work."""


class Cell(msgspec.Struct, frozen=True, kw_only=True):
    """One router on one set. NaN: there is no gap between the models, or their cost is not known."""

    apgr: float
    interval: Interval
    better_than_length: Interval
    """95 % interval of the paired difference in APGR."""
    apgr_routellm: float
    cpt20: float
    cpt50: float
    cpt80: float
    aiq: float


class ResultTable(msgspec.Struct, frozen=True, kw_only=True):
    questions: int
    weak: float
    strong: float
    routers: dict[str, Cell]


class EvaluationReport(msgspec.Struct, frozen=True, kw_only=True):
    sets: dict[str, ResultTable]
    macro: dict[str, Cell]
    groups: dict[str, dict[str, float]]
    """`set/group` → router → APGR, for groups of at least `MIN_GROUP` questions with a gap."""
    times: int
    seed: int


MIN_GROUP = 20


def evaluate(
    rows: Sequence[DatasetRow],
    scores: Mapping[str, Sequence[float]],
    *,
    seed: int = 0,
    times: int = 1000,
    progress: Callable[[str], None] = lambda _: None,
) -> EvaluationReport:
    """`rows` are labelled. `scores`: by router, one per row."""
    sets: dict[str, list[int]] = {}
    groups: dict[str, list[int]] = {}
    for i, row in enumerate(rows):
        sets.setdefault(row.set, []).append(i)
        if row.group:
            groups.setdefault(f"{row.set}/{row.group}", []).append(i)
    used = max(100, min(times, _MAX_BOOTSTRAP_VISITS // max(1, *map(len, sets.values()))))
    tables: dict[str, ResultTable] = {}
    samples: dict[str, dict[str, list[float]]] = {}
    for name, members in sets.items():
        progress(f"{name}: {len(members)} questions, {used} resamples")
        tables[name], samples[name] = _table(
            [rows[i] for i in members], {r: [s[i] for i in members] for r, s in scores.items()}, used, seed
        )
    return EvaluationReport(
        sets=tables,
        macro=_macro(tables, samples) if len(tables) > 1 else {},
        groups={
            name: {router: apgr([values[i] for i in members], [rows[i].gain for i in members]) for router, values in scores.items()}
            for name, members in groups.items()
            if len(members) >= MIN_GROUP and fsum(rows[i].gain for i in members) > 0
        },
        times=used,
        seed=seed,
    )


def points_of(rows: Sequence[DatasetRow], scores: Sequence[float]) -> list[Point]:
    strong, weak = [row.strong or 0.0 for row in rows], [row.weak or 0.0 for row in rows]
    priced = all(row.cost_strong is not None and row.cost_weak is not None for row in rows)
    costs = [(row.cost_strong or 0.0, row.cost_weak or 0.0) for row in rows] if priced else None
    return curve(scores, strong, weak, costs)


def _table(
    rows: Sequence[DatasetRow], scores: Mapping[str, Sequence[float]], times: int, seed: int
) -> tuple[ResultTable, dict[str, list[float]]]:
    gains = [row.gain for row in rows]
    sampled = bootstrap(scores, gains, times=times, seed=seed)
    strong, weak = [row.strong or 0.0 for row in rows], [row.weak or 0.0 for row in rows]
    cells: dict[str, Cell] = {}
    for router, values in scores.items():
        points = points_of(rows, values)
        cells[router] = Cell(
            apgr=apgr(values, gains),
            interval=interval(sampled[router]),
            better_than_length=_difference(sampled[router], sampled.get(BASELINE)),
            apgr_routellm=apgr_routellm(values, strong, weak),
            cpt20=cpt(points, 0.2),
            cpt50=cpt(points, 0.5),
            cpt80=cpt(points, 0.8),
            aiq=aiq(points),
        )
    n = len(rows)
    return ResultTable(questions=n, weak=fsum(weak) / n, strong=fsum(strong) / n, routers=cells), sampled


def _difference(a: Sequence[float], b: Sequence[float] | None) -> Interval:
    if b is None:
        return Interval(float("nan"), float("nan"))
    return interval([x - y for x, y in zip(a, b, strict=True)])


def _macro(tables: Mapping[str, ResultTable], samples: Mapping[str, Mapping[str, Sequence[float]]]) -> dict[str, Cell]:
    """The mean over sets, whatever their sizes; sets without a gap are left out."""
    used_sets = [name for name, table in tables.items() if table.strong > table.weak]
    if not used_sets:
        return {}

    def over(read: Callable[[Cell], float], router: str) -> float:
        return fsum(read(tables[name].routers[router]) for name in used_sets) / len(used_sets)

    def resampled(router: str) -> list[float]:
        return [fsum(values) / len(used_sets) for values in zip(*(samples[name][router] for name in used_sets), strict=True)]

    routers = next(iter(tables.values())).routers
    base = resampled(BASELINE) if BASELINE in routers else None
    return {
        router: Cell(
            apgr=over(lambda cell: cell.apgr, router),
            interval=interval(resampled(router)),
            better_than_length=_difference(resampled(router), base),
            apgr_routellm=over(lambda cell: cell.apgr_routellm, router),
            cpt20=over(lambda cell: cell.cpt20, router),
            cpt50=over(lambda cell: cell.cpt50, router),
            cpt80=over(lambda cell: cell.cpt80, router),
            aiq=over(lambda cell: cell.aiq, router),
        )
        for router in routers
    }
