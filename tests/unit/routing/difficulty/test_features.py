from __future__ import annotations

from math import isfinite

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoroute.routing.difficulty.features import CHOICES, HEAD_CHARS, NAMES, TAIL_CHARS, extract_features

QUIZ = "Which gas is heaviest?\nA. helium\nB. neon\nC. argon\nD. xenon"


def value(text, name):
    return extract_features(text).values[NAMES.index(name)]


def test_names_are_unique_and_readable():
    assert len(set(NAMES)) == len(NAMES)
    assert all(name == name.lower() and "_" not in name for name in NAMES)


@given(st.text(max_size=500))
def test_every_value_is_a_number(text):
    reading = extract_features(text)
    assert len(reading.values) == len(NAMES)
    assert all(isfinite(value) for value in reading.values)
    assert 0.0 <= reading.story <= 1.0 and reading.choices + reading.quiz <= 1.0


@given(st.text(alphabet=st.characters(max_codepoint=127), max_size=300))
def test_case_and_doubled_spaces_change_nothing(text):
    once = extract_features(text).values
    assert extract_features(text.upper()).values == once
    assert extract_features(text.replace(" ", "   ")).values == extract_features(text.replace(" ", "  ")).values


def test_digits_are_not_remembered():
    one, other = (
        extract_features("A train of 12 cars runs 340 miles. How many miles?"),
        extract_features("A train of 98 cars runs 125 miles. How many miles?"),
    )
    assert one == other


def test_only_both_ends_of_a_long_text_are_read():
    start, end = "a" * HEAD_CHARS, "b" * TAIL_CHARS
    assert extract_features(start + "prove the theorem " * 999 + end).words == extract_features(start + "x" * 9000 + end).words


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Prove that it follows.", "reasoning"),
        ("x^2 + y = 3", "mathematical notation"),
        ("```\nx = 1;\n```", "code block"),
        ("Our service deadlocks and leaks.", "fault finding"),
        ("Is it not so, except on Fridays?", "negated question"),
        ("The sky is ____.", "fill the blank"),
        ("Statement 1 is true. Statement 2 is false.", "several statements"),
        ("Ich weiß nicht, weshalb meine Katze ständig schläft", "other language"),
        ("hi", "very short"),
        ("half of 3/4 and 7/8", "fractions"),
    ],
)
def test_what_a_feature_sees(text, name):
    assert value(text, name) > 0.0
    assert value("The cat sat on the mat and looked at all the people who went by", name) == 0.0


def test_words_of_scripts_without_spaces_are_counted():
    assert value("请证明存在无穷多个素数并说明每一步的理由", "length") > value("你好", "length")


def test_bare_choices_are_told_from_choices_with_instructions():
    assert (extract_features(QUIZ).choices, extract_features(QUIZ).quiz) == (1.0, 0.0)
    assert extract_features(QUIZ + "\nAnswer:").choices == 1.0
    wrapped = extract_features(
        "Answer the multiple-choice question with one letter.\n\n" + QUIZ + "\n\nGive only the letter of your choice in a box."
    )
    assert (wrapped.choices, wrapped.quiz) == (0.0, 1.0)
    assert extract_features("A. one\nB. two").choices == 0.0


def test_choices_have_features_only_where_there_are_choices():
    places = [NAMES.index(name) for name in CHOICES]
    assert any(extract_features(QUIZ).values[place] for place in places)
    assert not any(extract_features("Which gas is heaviest?").values[place] for place in places)


@pytest.mark.parametrize(
    "text",
    [
        "Mia has 3 boxes with 12 pens each and gives away half of them. How many pens remain?",
        "A baker sells 40 rolls a day for $2 each. What is the total for three days?",
    ],
)
def test_a_word_problem_is_recognised(text):
    assert extract_features(text).story == 1.0


@pytest.mark.parametrize(
    "text", ["How many planets are there?", "hi", QUIZ, "```\ndef f(x):\n    return x + 1\n```\nHow many calls are made?"]
)
def test_what_is_no_word_problem(text):
    assert extract_features(text).story == 0.0
