"""The quality that a budget leaves a request."""

import pytest

from octoroute.access import pace as module
from octoroute.access.pace import Pace


@pytest.mark.parametrize(
    ("left", "wanted", "expected"),
    [(100, None, None), (50, None, None), (25, None, 0.25), (0, None, 0.0), (-5, None, 0.0), (25, 0.8, 0.4), (60, 0.8, 0.8)],
)
def test_quality_falls_from_where_pacing_starts_to_the_end_of_the_budget(left, wanted, expected):
    pace = Pace(0.5)
    pace.note("w", 100, left)
    assert pace.quality(wanted, ["w", "unknown"]) == (expected if expected is None else pytest.approx(expected))


def test_the_fullest_budget_counts():
    pace = Pace(0.5)
    pace.note("day", 100, 10)
    pace.note("month", 100, 90)
    assert pace.quality(None, ["day", "month"]) == pytest.approx(0.1)


def test_pacing_is_off_by_default_and_its_memory_is_bounded(monkeypatch):
    assert not Pace(1.0).is_on
    monkeypatch.setattr(module, "MAX_WINDOWS", 10)
    pace = Pace(0.5)
    for number in range(50):
        pace.note(f"w{number}", 100, 0)
    assert len(pace._used) == 10
