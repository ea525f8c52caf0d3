"""Features of a cheap model's answer and its prompt, for the cascade's score: numbers that rise with doubt. Pure."""

from __future__ import annotations

import re
from math import log

from octoroute.routing.difficulty.answer_checks import ModelAnswer, run_checks
from octoroute.routing.difficulty.arithmetic import arithmetic
from octoroute.routing.difficulty.features import HEAD_CHARS

__all__ = ["ANSWER_NAMES", "SIGNS", "extract_answer_features"]

_NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?")
_NOTE = re.compile(r"<<[^<>]*>>")
_RESULT = re.compile(r"=\s*\$?\s*(-?\d[\d,]*(?:\.\d+)?)")
_WORDS = re.compile(r"[a-z']+")
_LET = re.compile(r"\blet(?:'s)? (?:denote|call|us|\w =|\w be)|\b[a-z] ?= |\d[a-z]\b|\bequation\b|\bvariable\b")
_DOUBT = frozenset(
    """however but assume assuming assumption approximately about closest inconsistent inconsistency impossible
    unclear maybe perhaps likely probably seems unfortunately mistake error actually wait correct correction
    instead cannot unknown sorry apologize note negative""".split()  # noqa: SIM905 - reads better as text
)
_SPELT = {
    word: str(number)
    for number, word in enumerate(
        ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
    )
} | {"half": "2", "twice": "2", "double": "2", "third": "3", "triple": "3", "quarter": "4", "dozen": "12"}

ANSWER_NAMES = (
    "calculations that do not compute",
    "answer length",
    "calculations shown",
    "lines",
    "length against the prompt",
    "prompt numbers left unused",
    "numbers from nowhere",
    "no final number",
    "odd final number",
    "final number restates the prompt",
    "unknowns and equations",
    "doubtful words",
    "failed checks",
    "repetition",
    "final number stands alone",
)
"""The names of the features, in the order of `extract_answer_features`."""


def extract_answer_features(prompt: str, answer: ModelAnswer) -> tuple[float, ...]:
    question, text = prompt[:HEAD_CHARS].lower(), answer.text[: 2 * HEAD_CHARS].lower()
    stated, wrong = arithmetic(text)
    given = _numbers_of(question)
    plain = _NOTE.sub("", text)
    used = [number.replace(",", "") for number in _NUMBER.findall(plain)]
    results = {number.replace(",", "") for number in _RESULT.findall(plain)}
    loose = {number for number in used if _value(number) not in given and number not in results}
    final = used[-1] if used else ""
    words = _WORDS.findall(plain)
    lines = [line for line in text.split("\n") if line.strip()]
    numeric = len(given) >= 2
    failed = [finding for finding in run_checks(answer) if finding.check != "arithmetic"]
    return (
        min(2.0, float(wrong)),
        log(1.0 + len(words) / 20.0),
        log(1.0 + stated),
        log(1.0 + len(lines)),
        log((len(plain) + 20.0) / (len(question) + 20.0)),
        len(given - {_value(number) for number in used}) / len(given) if numeric else 0.0,
        log(1.0 + len(loose)) if numeric else 0.0,
        1.0 if numeric and not final else 0.0,
        1.0 if numeric and _odd(final) and not any(_odd(str(number)) for number in given) else 0.0,
        1.0 if numeric and final and _value(final) in given else 0.0,
        log(1.0 + len(_LET.findall(plain))),
        log(1.0 + sum(word in _DOUBT for word in words)),
        min(2.0, float(len(failed))),
        1.0 - len(set(lines)) / len(lines) if lines else 0.0,
        1.0 if numeric and used.count(final) <= 1 else 0.0,
    )


def _numbers_of(question: str) -> set[float]:
    """The numbers of a prompt, in digits and in words; "one" is too often no number."""
    numbers = {_value(number) for number in _NUMBER.findall(question)}
    return numbers | {float(_SPELT[word]) for word in _WORDS.findall(question) if word in _SPELT and word != "one"}


def _value(number: str) -> float:
    try:
        return float(number.replace(",", ""))
    except ValueError:
        return -1.0


def _odd(number: str) -> bool:
    """Whether a number has a fractional part other than zeros."""
    whole, _, part = number.partition(".")
    return len(part.rstrip("0")) > 0 and bool(whole)


SIGNS: tuple[int, ...] = tuple(-1 if name == "calculations shown" else 1 for name in ANSWER_NAMES)
"""+1: the feature can only raise the doubt; -1: shown calculations can only lower it."""
