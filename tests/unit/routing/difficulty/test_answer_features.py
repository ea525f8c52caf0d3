"""The numbers that tell how doubtful an answer is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoroute.routing.difficulty.answer_checks import ModelAnswer
from octoroute.routing.difficulty.answer_features import ANSWER_NAMES, SIGNS, extract_answer_features

PROMPT = "Mia has 3 boxes with 12 pens each and gives away half of them. How many pens remain?"
GOOD = "She has 3 * 12 = 36 pens. Half of them is 36 / 2 = 18.\n18 pens remain."


def features(answer, prompt=PROMPT):
    return dict(zip(ANSWER_NAMES, extract_answer_features(prompt, ModelAnswer(text=answer)), strict=True))


@pytest.mark.parametrize(
    ("name", "doubtful"),
    [
        ("calculations that do not compute", GOOD.replace("= 36", "= 46", 1)),
        ("prompt numbers left unused", "She has 36 pens, so 18 pens remain, 18 in all."),
        ("numbers from nowhere", GOOD + " Of these, 777 and 555 are blue: 18."),
        ("no final number", "Some pens remain."),
        ("odd final number", GOOD + " That is 17.34"),
        ("final number restates the prompt", GOOD + " So the result is 12"),
        ("unknowns and equations", "Let's denote x = pens. " + GOOD),
        ("doubtful words", GOOD + " But wait, assume a mistake: perhaps unclear."),
        ("failed checks", ""),
        ("repetition", "Half is 18.\nHalf is 18.\nHalf is 18."),
        ("final number stands alone", "36 pens, of which 18"),
    ],
)
def test_doubt_raises_the_feature(name, doubtful):
    assert features(doubtful)[name] > features(GOOD)[name]


def test_numbers_in_words_count_as_given_except_one():
    prompt = "A dozen eggs cost three dollars. How much is a half? One may round."
    assert features("12 eggs are 3, a half is 2: 2", prompt)["numbers from nowhere"] == 0.0
    assert features("12 eggs are 3, a half is 2: 1", prompt)["numbers from nowhere"] > 0.0


def test_a_prompt_without_numbers_has_no_numeric_doubts():
    for name, value in features("It is 42.5 or 7.", "Tell me a story.").items():
        if "number" in name:
            assert value == 0.0


def test_only_shown_calculations_speak_for_an_answer():
    assert [name for name, sign in zip(ANSWER_NAMES, SIGNS, strict=True) if sign < 0] == ["calculations shown"]
    assert features(GOOD)["calculations shown"] > features("18 pens remain, 18.")["calculations shown"]


@given(st.text(max_size=300), st.text(max_size=300))
def test_any_pair_has_all_features(prompt, answer):
    found = extract_answer_features(prompt, ModelAnswer(text=answer))
    assert len(found) == len(ANSWER_NAMES)
    assert all(abs(value) < 50 for value in found)
