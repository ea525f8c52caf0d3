from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoroute.gateway.shadow.verdict import Verdict, verdict
from octoroute.routing.difficulty.answer_checks import ModelAnswer


def said(text, **more):
    return ModelAnswer(text=text, **more)


@pytest.mark.parametrize(
    ("weak", "strong", "expected"),
    [
        ("Lima.", "lima", Verdict(0, "exact")),
        ("", "Lima", Verdict(1, "empty")),
        ("I'm sorry, but I can't help with that.", "Lima", Verdict(1, "refusal")),
        ("Lima", "", Verdict(0, "empty")),
        ("", "", Verdict(None, "neither")),
        ("```python\ndef f(:\n```\n", "```python\ndef f():\n    return 1\n```\n", Verdict(1, "code")),
        ("3 * 12 = 38, so 38.", "3 * 12 = 36, so 36.", Verdict(1, "arithmetic")),
        ("Lima", "It is Lima, in Peru.", None),
        ("-5", "5", None),
    ],
)
def test_what_needs_no_judge(weak, strong, expected):
    assert verdict("What is the capital of Peru?", said(weak), said(strong)) == expected


def test_word_problems_agree_by_their_result():
    question = "Tom has 3 boxes of 12 pens. How many pens has he?"
    assert verdict(question, said("36 pens."), said("3 * 12 = 36. He has 36.0")) == Verdict(0, "arithmetic")
    assert verdict(question, said("38 pens."), said("He has 36.")) is None
    assert verdict("How many?", said("36 pens."), said("He has 36.")) is None


def test_json_agrees_by_value():
    wanted = {"json_wanted": True, "schema": {"type": "object", "required": ["a"]}}
    assert verdict("?", said('{"a": 1, "b": 2}', **wanted), said('{"b":2,"a":1}', **wanted)) == Verdict(0, "schema")
    assert verdict("?", said("[]", **wanted), said('{"a": 1}', **wanted)) == Verdict(1, "json")


@given(weak=st.text(), strong=st.text(), question=st.text(), wanted=st.booleans())
def test_any_two_answers_can_be_compared(weak, strong, question, wanted):
    found = verdict(question, said(weak, json_wanted=wanted), said(strong, json_wanted=wanted))
    assert found is None or found.label in {0, 1, None}
    same = verdict(question, said(weak), said(weak))
    assert same is not None and same.label != 1
