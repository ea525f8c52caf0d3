"""The comparison of routers: per set, over sets, per group."""

from __future__ import annotations

from math import isnan

import msgspec
import pytest

from octoroute.routing.training.evaluation import MACRO, MIN_GROUP, evaluate, points_of
from octoroute.routing.training.metrics import apgr
from tests.unit.routing.training.rows import choices, stories

CHOICES, STORIES = choices(200), stories(100)
ROWS = [*CHOICES, *STORIES]
SCORES = {"length": [float(len(row.prompt)) for row in ROWS], "oracle": [row.gain for row in ROWS]}
REPORT = evaluate(ROWS, SCORES, times=200)


def test_each_set_is_measured_by_itself():
    assert {name: table.questions for name, table in REPORT.sets.items()} == {"made": 200, "tales": 100}
    tales = REPORT.sets["tales"]
    assert tales.routers["length"].apgr == apgr(SCORES["length"][200:], [row.gain for row in STORIES])
    assert tales.strong == 1.0
    assert tales.weak == pytest.approx(sum(row.weak for row in STORIES) / 100)


def test_the_macro_mean_counts_each_set_once():
    cells = [table.routers["oracle"].apgr for table in REPORT.sets.values()]
    assert REPORT.macro["oracle"].apgr == pytest.approx(sum(cells) / 2)
    assert MACRO not in REPORT.sets
    assert evaluate(STORIES, {"length": SCORES["length"][200:]}, times=100).macro == {}, "of one set it is the set"


def test_a_better_router_is_better_than_length_and_length_is_not():
    cell = REPORT.sets["made"].routers["oracle"]
    assert cell.better_than_length.low > 0
    assert cell.interval.low <= cell.apgr <= cell.interval.high
    length = REPORT.sets["made"].routers["length"].better_than_length
    assert (length.low, length.high) == (0.0, 0.0)


def test_without_the_baseline_there_is_no_difference():
    alone = evaluate(STORIES, {"oracle": [row.gain for row in STORIES]}, times=100)
    assert isnan(alone.sets["tales"].routers["oracle"].better_than_length.low)


def test_small_groups_are_left_out():
    sizes = {}
    for row in CHOICES:
        sizes[f"made/{row.group}"] = sizes.get(f"made/{row.group}", 0) + 1
    assert set(REPORT.groups) <= {name for name, size in sizes.items() if size >= MIN_GROUP}
    few = [msgspec.structs.replace(row, group="few") for row in CHOICES[: MIN_GROUP - 1]]
    assert evaluate(few, {"oracle": [row.gain for row in few]}, times=100).groups == {}


def test_costs_count_only_if_every_question_has_them():
    priced = [msgspec.structs.replace(row, cost_strong=2.0, cost_weak=0.5) for row in STORIES]
    points = points_of(priced, [0.0] * len(priced))
    assert (points[0].cost, points[-1].cost) == (pytest.approx(0.5), pytest.approx(2.0))
    assert {point.cost for point in points_of([*priced[:-1], STORIES[-1]], [0.0] * len(priced))} == {0.0}


def test_the_same_seed_gives_the_same_report():
    assert msgspec.json.encode(evaluate(ROWS, SCORES, times=200)) == msgspec.json.encode(REPORT)
