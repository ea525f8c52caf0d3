"""Calculations in a text, and whether they are right."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoroute.routing.difficulty.arithmetic import arithmetic


@pytest.mark.parametrize(
    ("text", "stated", "wrong"),
    [
        ("So 3 * 4 = 12 pens.", 1, 0),
        ("So 3 * 4 = 13 pens.", 1, 1),
        ("It is 1,200 + 300 = 1,500 in all.", 1, 0),
        ("<<7*8=56>>56 and <<7*8=54>>54", 2, 1),
        ("20% of it: 50 * 20% = 10", 1, 0),
        ("10 / 3 = 3.33", 1, 0),
        ("10 / 3 = 3", 1, 0),
        ("10 / 3 = 4", 1, 1),
        ("$15 x 3 = $45", 1, 0),
        ("x * 4 + 8 = 40", 0, 0),
        ("4 x 10 + 6 x 20 = 40 + 120 = 160", 0, 0),
        ("2x + 3 = 7 has one solution", 0, 0),
        ("1 / 0 = 5", 0, 0),
        ("on 2020-01-02 = a date", 0, 0),
    ],
)
def test_arithmetic(text, stated, wrong):
    assert arithmetic(text) == (stated, wrong)


@given(st.integers(0, 999), st.integers(1, 999), st.sampled_from("+-*"))
def test_a_right_calculation_is_right_and_one_off_is_wrong(left, right, sign):
    result = {"+": left + right, "-": left - right, "*": left * right}[sign]
    assert arithmetic(f"We get {left} {sign} {right} = {result}.") == (1, 0)
    assert arithmetic(f"We get {left} {sign} {right} = {result + 1}.") == (1, 1)


@given(st.text(alphabet="0123456789+-*/=()<>%$., x`\n", max_size=200))
def test_any_text_is_survived(text):
    stated, wrong = arithmetic(text)
    assert 0 <= wrong <= stated


@pytest.mark.parametrize("text", ["9**9**9**9 = 1", "((((1 + 1) = 2", "__import__ * 2 = 4", "7 // 0 = 1"])
def test_nothing_but_plain_arithmetic_is_evaluated(text):
    assert arithmetic(text)[1] == 0
