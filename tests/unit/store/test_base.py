"""What all stores share: the order of numbers, conditions, and sums."""

from __future__ import annotations

from octoroute.store.base import Aggregate, HistoryRow, matches, seq_at
from octoroute.store.rows import add_rows, columns_of
from tests.support.history import START_S, entry


def test_numbers_are_in_the_order_of_time():
    early, late = entry(START_S, nonce=1023), entry(START_S + 0.000_001)
    assert seq_at(START_S) <= early.row.seq < late.row.seq
    assert early.row.at_us == START_S * 1_000_000


def test_conditions_are_joined():
    labels = entry(tier="deep", key="team").row.labels
    assert matches(labels, {})
    assert matches(labels, {"tier": ("fast", "deep"), "key": ("team",), "error": ("",)})
    assert not matches(labels, {"tier": ("deep",), "key": ("other",)})


def add(found: Aggregate, row: HistoryRow) -> None:
    add_rows(found, row.labels.ending, columns_of([row]))


def test_two_sums_are_the_sum():
    whole, one, two = (Aggregate(start_s=0, group={}) for _ in range(3))
    rows = [entry(cost_nusd=5).row, entry(ending="failed", cost_nusd=None).row, entry(total_us=400_000).row]
    for row in rows:
        add(whole, row)
    add(one, rows[0])
    add(two, rows[1])
    add(two, rows[2])
    one.merge(two)
    assert one.requests == whole.requests == 3
    assert one.endings == whole.endings == {"answered": 2, "failed": 1}
    assert (one.cost_nusd, one.priced) == (5, 1)
    assert one.total.percentile_s(0.5) == whole.total.percentile_s(0.5)
    assert one.total.count == 2
