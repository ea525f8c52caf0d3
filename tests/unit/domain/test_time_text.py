"""Times that people write."""

from __future__ import annotations

import pytest

from octoroute.domain.time_text import parse_time, time_text

NOW = 1_800_000_000.0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("now", NOW),
        ("30m", NOW - 1800),
        ("24h", NOW - 86400),
        ("2w", NOW - 14 * 86400),
        ("1700000000", 1_700_000_000),
        ("1700000000.5", 1_700_000_000.5),
        ("20270115", 1_799_971_200),
        ("2027-01-15", 1_799_971_200),
        (" 2027-01-15T08:00:00Z ", NOW),
        ("2027-01-15T10:00:00+02:00", NOW),
        ("2027-01-15T10:00:00 02:00", NOW),
        ("2027-01-15 08:00", NOW),
        ("999999w", 0),
    ],
)
def test_a_time_is_read(text, seconds):
    assert parse_time(text, NOW) == seconds


@pytest.mark.parametrize(
    "text", ["", "yesterday", "-5", "1e400", "nan", "24 h", "2027-13-01", "9999-99-99", "1969-12-31", "9" * 5000, "٣", "\u06f5d"]
)
def test_what_is_no_time_is_said(text):
    with pytest.raises(ValueError, match="is no time; write"):
        parse_time(text, NOW)


def test_a_time_is_written():
    assert time_text(NOW) == "2027-01-15T08:00:00Z"
