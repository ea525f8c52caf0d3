"""Days and their names."""

from __future__ import annotations

from octoroute.store.database import day_at, day_of, day_of_suffix, first_seq, placeholders, suffix
from tests.support.history import START_S, entry


def test_a_day_has_its_numbers_and_its_name():
    day = day_at(START_S)
    assert suffix(day) == "20270115"
    assert day_of_suffix("20270115") == day
    assert day_of(entry(START_S).row.seq) == day
    assert day_of(first_seq(day)) == day
    assert day_of(first_seq(day) - 1) == day - 1


def test_placeholders():
    assert placeholders(3) == "?, ?, ?"
