"""The rule for what is unusual."""

from __future__ import annotations

import pytest

from octoroute.store.anomalies import anomalies
from octoroute.store.base import NANO, Aggregate


def week(requests: int, *, failed: int = 0, cost_usd: float = 0.0, total_s: float = 1.0, first_s: float = 0.5) -> Aggregate:
    made = Aggregate(start_s=0, group={}, requests=requests, endings={"answered": requests - failed, "failed": failed})
    made.cost_nusd, made.priced = int(cost_usd * NANO), requests if cost_usd else 0
    made.total.extend([total_s] * (requests - failed))
    made.first_event.extend([first_s] * (requests - failed))
    return made


def found(before: Aggregate | None, now: Aggregate | None) -> list[tuple[str, float, float]]:
    return [(one.what, one.before, one.now) for one in anomalies(now, before, {})]


@pytest.mark.parametrize(
    ("before", "now"),
    [
        (week(1000), week(1900)),  # below the factor
        (week(20), week(90)),  # too few
        (None, week(99)),
        (week(99), None),
        (week(5000, failed=50), week(5000, failed=90)),  # below a point
        (week(100, failed=2), week(100, failed=8)),  # chance
        (week(1000, cost_usd=0.3), week(1000, cost_usd=0.44)),  # below the factor
        (week(1000, total_s=0.010), week(1000, total_s=0.030)),  # three times nearly nothing
        (week(60, total_s=1), week(70, total_s=9)),  # too few
        (week(1000), week(1000)),
        (None, None),
    ],
)
def test_what_chance_or_nothing_explains_is_not_reported(before, now):
    assert found(before, now) == []


def test_more_and_fewer_requests():
    assert found(week(1000), week(2500)) == [("requests", 1000, 2500)]
    assert found(week(1000), week(400)) == [("requests", 1000, 400)]
    assert found(week(10), week(150)) == [("requests", 10, 150)]


def test_new_and_gone():
    assert found(None, week(100)) == [("new", 0, 100)]
    assert found(week(100), None) == [("gone", 100, 0)]


def test_errors_become_more_and_fewer():
    assert found(week(1000, failed=10), week(1000, failed=100)) == [("error_share", 0.01, 0.1)]
    assert found(week(1000, failed=100), week(1000, failed=10)) == [("error_share", 0.1, 0.01)]
    assert found(week(1000), week(1000, failed=1000))[0] == ("error_share", 0, 1)


def test_money():
    assert found(week(1000, cost_usd=4), week(1000, cost_usd=9)) == [
        ("cost_usd", 4, 9),
        ("cost_per_request_usd", 0.004, 0.009),
    ]
    assert [what for what, *_ in found(week(1000, cost_usd=4), week(1000, cost_usd=6.5))] == ["cost_per_request_usd"]
    assert [what for what, *_ in found(week(1000, cost_usd=0.1), week(1000, cost_usd=0.3))] == ["cost_per_request_usd"]


def test_times():
    what = found(week(1000, total_s=1, first_s=0.1), week(1000, total_s=2, first_s=0.3))
    assert [one[0] for one in what] == ["latency_p95_ms", "first_token_p95_ms"]
    assert what[0][1:] == (pytest.approx(1000, rel=0.01), pytest.approx(2000, rel=0.01))


def test_the_weight_is_greater_the_further_it_is_from_usual():
    little, much = (next(anomalies(week(count), week(1000), {})) for count in (2500, 9000))
    assert little.weight < much.weight
    assert next(anomalies(None, week(1000), {})).weight > much.weight
