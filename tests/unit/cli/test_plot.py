"""Plots of block elements."""

from __future__ import annotations

from octoroute.cli.plot import bar, narrowed, sparkline


def test_a_column_for_each_value():
    assert sparkline([0, 1, 4, 8, None, 8]) == ".▂▅█ █"
    assert sparkline([]) == ""
    assert sparkline([0, None]) == ". "
    assert sparkline([1e-9, 1e9]) == "▁█"


def test_a_bar_is_filled_by_eighths():
    assert bar(0.5, 4) == "██  "
    assert bar(1, 2) == bar(7, 2) == "██"
    assert bar(0, 3) == bar(-1, 3) == "   "
    assert bar(1 / 16, 2) == "▏ "


def test_many_values_become_few():
    assert narrowed([1, 2, 3, None, None, None, 4], 3, sum) == ([6, None, 4], 3)
    assert narrowed([1, None], 5, max) == ([1, None], 1)
    assert narrowed([], 5, max) == ([], 1)
