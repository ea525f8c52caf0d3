"""What the shipped artefact makes of requests that say nothing about their own difficulty."""

from __future__ import annotations

import pytest

from octoroute.domain.endpoint import Tier
from octoroute.routing.difficulty.model import load
from octoroute.routing.difficulty.subject import subject
from octoroute.routing.difficulty.thresholds import LearnedOptions, thresholds_of
from octoroute.routing.training.generic import generic_prompts
from tests.unit.routing.difficulty.prompts import EASY, HARD, OTHER_LANGUAGES_EASY, OTHER_LANGUAGES_HARD

SCORER = load()
THRESHOLDS = thresholds_of(LearnedOptions(), SCORER.model.percentiles)


def tier(text, earlier=()):
    return THRESHOLDS.tier(SCORER.difficulty(subject(text, earlier)))


def test_there_are_forty_of_each_and_none_was_trained_on():
    assert len(HARD) == len(set(HARD)) == 40
    assert len(EASY) == len(set(EASY)) == 40
    trained = {prompt.prompt for prompt in generic_prompts()}
    assert not trained & {*HARD, *EASY, *OTHER_LANGUAGES_EASY, *OTHER_LANGUAGES_HARD}


@pytest.mark.parametrize("prompt", HARD, ids=lambda p: p[:40])
def test_hard_work_without_a_keyword_is_not_fast(prompt):
    assert tier(prompt) is not Tier.FAST


@pytest.mark.parametrize("prompt", EASY, ids=lambda p: p[:40])
def test_greetings_look_ups_and_small_edits_are_fast(prompt):
    assert tier(prompt) is Tier.FAST


@pytest.mark.parametrize("prompt", OTHER_LANGUAGES_EASY)
def test_easy_in_other_languages(prompt):
    assert tier(prompt) is Tier.FAST


@pytest.mark.parametrize("prompt", OTHER_LANGUAGES_HARD, ids=lambda p: p[:40])
def test_hard_in_other_languages(prompt):
    assert tier(prompt) is not Tier.FAST


WORK = "Refactor the session store so that two workers can never hold the same lease, keep the public functions, and make the tests pass."
REMINDER = (
    "<system-reminder>\nYou must analyse the root cause, prove each claim, and design for concurrency. "
    "Never refactor without tests.\n</system-reminder>\n"
)
TRANSCRIPTS_HARD = [
    ("yes, go ahead", [("user", WORK), ("assistant", "I would take a fencing token. Shall I?")]),
    ("continue", [("user", WORK), ("assistant", "The store is done, the tests are next.")]),
    ("[Bash] Result:\n3 failed, 12 passed", [("user", WORK), ("assistant", "")]),
    ("", [("user", WORK), ("assistant", ""), ("tool", "ok")]),
    (REMINDER, [("user", WORK), ("assistant", "Reading the file.")]),
    ("<environment_details>\n# Open tabs\nsrc/lease.py\n</environment_details>", [("user", f"<task>\n{WORK}\n</task>")]),
    (
        "ok do it",
        [("user", WORK), ("assistant", "Plan: one, two, three."), ("user", "looks good"), ("assistant", "Shall I start?")],
    ),
]
TRANSCRIPTS_EASY = [
    (REMINDER + "hi", []),
    (REMINDER + "thanks, that worked!", [("user", WORK), ("assistant", "All tests pass.")]),
    ("thanks!", [("user", WORK), ("assistant", "All tests pass.")]),
    ("<environment_details>\n# Files\nproof.py design.md race_condition.py\n</environment_details>\nrename x to y in a.py", []),
    ("what's the plural of mouse?\n" + REMINDER, [("user", WORK), ("assistant", "All tests pass.")]),
    ("yes", [("user", "what's the capital of Peru?"), ("assistant", "Lima. Shall I add how many live there?")]),
    ("[Read] Result:\n" + "def prove(lemma): ...\n" * 200, [("user", "fix the typo in the readme"), ("assistant", "")]),
]


@pytest.mark.parametrize(("text", "earlier"), TRANSCRIPTS_HARD)
def test_an_agents_turn_is_judged_by_the_work_it_serves(text, earlier):
    assert tier(text, earlier) is not Tier.FAST


@pytest.mark.parametrize(("text", "earlier"), TRANSCRIPTS_EASY)
def test_harness_text_makes_nothing_hard(text, earlier):
    assert tier(text, earlier) is Tier.FAST


@pytest.mark.parametrize(
    "text", ["", " ", "\x00", "?" * 5000, "😀" * 300, "a" * 100_000, "\ud800", "1 " * 40_000, "\n" * 9000, "```" * 999]
)
def test_any_text_gets_a_chance(text):
    assert 0.0 < SCORER.difficulty(text) < 1.0
