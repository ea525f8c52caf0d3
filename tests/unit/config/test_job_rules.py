"""Hours and keys are checked before a gateway starts."""

from __future__ import annotations

import pytest

from octoroute.config.job_rules import encryption_key, hours, hours_of


@pytest.mark.parametrize(
    ("text", "expected"), [("22:00-06:00", (1320, 360)), ("00:00-23:59", (0, 1439)), ("9:00-10:00", None), ("08:00-08:00", None)]
)
def test_hours(text, expected):
    assert hours_of(text) == expected
    assert (hours(text) is None) is (expected is not None)


@pytest.mark.parametrize("text", ["24:00-06:00", "22:60-06:00", "22-6", "22:00-06:00 ", "always", "\u0662\u0662:00-06:00"])
def test_what_are_no_hours(text):
    assert hours(text) is not None


def test_no_hours_are_all_hours():
    assert hours("") is None


@pytest.mark.parametrize(
    ("text", "is_key"), [("A" * 43 + "=", True), ("_-" * 21 + "A=", True), ("A" * 44, False), ("", False), ("\u00e9" * 44, False)]
)
def test_keys(text, is_key):
    assert (encryption_key(text) is None) is is_key
