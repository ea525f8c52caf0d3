"""Decides without asking a model whether a smaller model's answer was good enough, as far as that is possible. Pure."""

from __future__ import annotations

import json
import re

import msgspec

from octoroute.routing.difficulty.answer_checks import ModelAnswer, check

_NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?")
_WORD_PROBLEM = 2
"""From so many numbers in a question on, the last number of an answer counts as its result."""


class Verdict(msgspec.Struct, frozen=True):
    label: int | None
    """1: the bigger model was needed; 0: the smaller model's answer was good enough; None: cannot be decided."""
    how: str
    """Name of the check or comparison that decided."""


def verdict(question: str, weak: ModelAnswer, strong: ModelAnswer) -> Verdict | None:
    """None: the answers differ, and only a judge can say which is better."""
    weak_finding, strong_finding = check(weak), check(strong)
    if weak_finding is not None:
        return Verdict(None, "neither") if strong_finding is not None else Verdict(1, weak_finding.check)
    if strong_finding is not None:
        return Verdict(0, strong_finding.check)
    if _plain(weak.text) == _plain(strong.text):
        return Verdict(0, "exact")
    if weak.json_wanted and json.loads(weak.text) == json.loads(strong.text):  # both passed the checks, so both are JSON
        return Verdict(0, "schema")
    if len(_NUMBER.findall(question)) >= _WORD_PROBLEM:
        result, other = _last_number(weak.text), _last_number(strong.text)
        if result is not None and result == other:
            return Verdict(0, "arithmetic")
    return None


def _plain(text: str) -> str:
    return " ".join(re.sub(r"[^\w\s.+-]", " ", text.lower()).split()).rstrip(" .")


def _last_number(text: str) -> float | None:
    found = _NUMBER.findall(text)
    return float(found[-1].replace(",", "")) if found else None
