"""Whether a smaller model's answer would have done, as far as that can be told without asking anybody. Pure."""

from __future__ import annotations

import json
import re

import msgspec

from octoroute.routing.difficulty.answer_checks import ModelAnswer, check

_NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?")
_WORD_PROBLEM = 2
"""Numbers in a question from which the last number of an answer is its result."""


class Verdict(msgspec.Struct, frozen=True):
    """`label`: 1 when the bigger model was needed, 0 when the smaller one's answer would have done, None when nobody can tell."""

    label: int | None
    how: str


def verdict(question: str, weak: ModelAnswer, strong: ModelAnswer) -> Verdict | None:
    """None: they differ, and which is better is a matter of judgement."""
    poor, also_poor = check(weak), check(strong)
    if poor is not None:
        return Verdict(None, "neither") if also_poor is not None else Verdict(1, poor.check)
    if also_poor is not None:
        return Verdict(0, also_poor.check)
    if _plain(weak.text) == _plain(strong.text):
        return Verdict(0, "exact")
    if weak.json_wanted and json.loads(weak.text) == json.loads(strong.text):  # both are JSON: the checks have seen to it
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
