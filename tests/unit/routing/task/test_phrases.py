"""Clues: triggers, patterns, traps, and their order; the classifier's tests cover the words."""

from __future__ import annotations

import re

import pytest

from octoroute.domain.request import Task
from octoroute.routing.task.phrases import PHRASES, WITH_ATTACHMENT, Clue, Phrasebook, either, near

BOOK = Phrasebook(
    [
        Clue(Task.CODE, "code program", r"\bcode\b|\bprogram\b", r"postal code"),
        Clue(Task.CREATIVE_WRITING, "poem"),
    ]
)


def task(text, book=BOOK):
    return book.task(text, re.findall(r"\w+", text.lower()))


def test_without_a_trigger_no_pattern_runs():
    assert BOOK.task("code", []) is None
    assert task("nothing of the kind") is None


def test_a_clue_without_a_pattern_needs_its_trigger_only():
    assert task("A POEM") is Task.CREATIVE_WRITING


def test_a_trap_consumes_what_it_matches():
    assert task("my postal code") is None
    assert task("code for my postal code") is Task.CODE


def test_the_first_clue_that_matches_decides():
    assert task("a poem about a program") is Task.CODE
    assert task("a poem about my postal code") is Task.CREATIVE_WRITING


def test_near_allows_six_words_between_and_none_of_the_barrier():
    pattern = re.compile(near("write|make", "poems?", "program"))
    assert pattern.search("write a very long and rather sad poem")
    assert not pattern.search("write one two three four five six seven poem")
    assert not pattern.search("write a program poem")
    assert re.compile(either("a", "b")).fullmatch("b")


@pytest.mark.parametrize("book", [PHRASES, WITH_ATTACHMENT], ids=["plain", "attachment"])
def test_every_clue_can_be_reached(book):
    reachable = {number for numbers in book._first.values() for number in numbers}
    assert reachable == set(range(len(book._clues)))
    assert all(word == word.lower() for word in book._vocabulary)


@pytest.mark.parametrize("text", ["write " * 20_000, "compare and " * 10_000, "analysis " * 10_000 + "paralysis"])
def test_a_long_text_ends(text):
    assert PHRASES.task(text, text.split()) in {None, *Task}
