"""Recipes: which features a head may use, and the sign of each. Pure data; chosen by meaning, not by fit."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from octoroute.routing.difficulty.features import NAMES

__all__ = ["CHOICES_RECIPE", "GENERAL_RECIPE", "QUIZ_RECIPE", "STORY_RECIPE", "Recipe"]


class Recipe(msgspec.Struct, frozen=True, kw_only=True):
    """How a head is fitted."""

    signs: Mapping[str, int]
    """Feature → +1: can only raise the difficulty; -1: can only lower it; 0: either."""
    penalty: float
    words: bool = False
    word_penalty: float = 30.0
    word_share: float = 0.0
    """Standard deviation of the words' contribution, in deviations of the features' contribution."""
    min_count: int = 12
    """Least number of questions in which a word must occur; rarer words would be overfitted."""
    exponent: float = 0.5
    idf: bool = True
    slope: float = 0.0
    """Least slope of the calibration, so that noisy labels cannot flatten the order of scores."""


def _signs(harder: str, easier: str = "", either: str = "") -> dict[str, int]:
    found = {
        " ".join(name.split()): sign
        for text, sign in ((harder, 1), (easier, -1), (either, 0))
        for name in text.split(",")
        if name.strip()
    }
    unknown = found.keys() - set(NAMES)
    if unknown:
        raise ValueError(f"no such features: {sorted(unknown)}")
    return found


GENERAL_RECIPE = Recipe(
    signs=_signs(
        """length, word length, uncommon words, distinct numbers, fractions, mathematical notation, code lines, code block,
        sentences, sentence length, final question length, several statements, negated question, list items, lines,
        reasoning, calculation, design, fault finding, code, mathematics, statistics, economics, physical science,
        medicine, law, puzzle, quantity, condition, constraint, comparison, hypothetical, number words, analysis,
        extraction, quotations, order in time""",
        """very short, greeting, look-up, small edit, writing, role play, summary, explanation, small talk, vocabulary
        range""",
        """humanities, psychology, life science, other language""",
    ),
    penalty=100.0,
)
CHOICES_RECIPE = Recipe(
    signs=_signs(
        """length, uncommon words, word length, sentences, sentence length, long choices, several statements, combined
        choices, quotations, negated question, fill the blank, reasoning, fault finding, puzzle, quantity, condition,
        constraint, law, mathematics, physical science, economics, statistics, code, analysis, trend choices, reasoned
        choices, similar choices, hypothetical, choices echo the question, catch-all choice, question length, comparison""",
        "look-up, vocabulary range, humanities, life science, very short, varied choices",
        "numeric choices, mathematical notation, numbers, calculation, questions, medicine, psychology",
    ),
    penalty=200.0,
    words=True,
    word_share=0.15,
    slope=0.4,
)
QUIZ_RECIPE = Recipe(
    signs=_signs(
        """length, sentence length, long choices, several statements, combined choices, negated question, reasoning,
        puzzle, quantity, condition, constraint, law, mathematics, mathematical notation, calculation, physical science,
        economics, statistics, code, analysis, reasoned choices, similar choices, hypothetical, choices echo the
        question, question length, comparison, distinct numbers, numeric choices, fractions, design, fault finding,
        number words""",
        "look-up, vocabulary range, humanities, life science, very short, varied choices, psychology",
        "medicine",
    ),
    penalty=200.0,
)
STORY_RECIPE = Recipe(
    signs=_signs(
        """length, word length, uncommon words, sentences, sentence length, final question length, number words,
        comparison, order in time, fractions, quantity, condition, constraint, puzzle, calculation, reasoning,
        mathematical notation, distinct numbers""",
        "questions",
        "decimals, percentages",
    ),
    penalty=60.0,
    words=True,
    slope=0.2,
    word_penalty=60.0,
    word_share=1.0,
    min_count=8,
    exponent=0.0,
    idf=False,
)
