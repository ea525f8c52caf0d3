"""`octoroute replay`: the table, and what it says about its own reliability."""

from __future__ import annotations

import pytest

from octoroute.cli.replay import _table
from octoroute.routing.training.replay import Estimate, ReplayReport

SURE = Estimate(0.5, 0.4, 0.6)


def report(*, decisions: int = 1000, effective: float = 500.0, difference: Estimate = SURE) -> ReplayReport:
    return ReplayReport("quality", decisions, effective, SURE, SURE, SURE, SURE, difference)


@pytest.mark.parametrize(
    ("given", "remark"),
    [
        (report(), None),
        (report(effective=99), "WARNING: "),
        (report(decisions=10_000, effective=999), "WARNING: "),
        (report(difference=Estimate(0.1, -0.1, 0.3)), "The difference is not significant."),
        (report(effective=99, difference=Estimate(0.1, -0.1, 0.3)), "WARNING: "),
    ],
)
def test_the_table_warns_of_too_few_decisions_before_it_speaks_of_differences(given, remark):
    lines = list(_table(1200, 1000, [given]))
    assert lines[0].startswith("1200 decisions, 1000 of them by score")
    remarks = [line.strip() for line in lines if line.startswith("  ") and "[" not in line]
    assert len(remarks) == (remark is not None)
    assert remark is None or remarks[0].startswith(remark)
    assert sum("[0.40000, 0.60000]" in line for line in lines) >= 4
