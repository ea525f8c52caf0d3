"""Checks of an answer that cost no request, for the cascade. Pure, bounded; an answer that cannot be judged passes."""

# ruff: noqa: RUF001 - the patterns need typographic apostrophes

from __future__ import annotations

import ast
import json
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import msgspec

from octoroute.routing.difficulty.arithmetic import arithmetic
from octoroute.routing.difficulty.json_schema import Schema, fits

__all__ = ["CheckFailure", "ModelAnswer", "check", "run_checks"]

MAX_CHARS = 200_000
"""Characters of an answer that are checked; the rest of a longer one is not read."""


class ModelAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A finished answer, and what the request demanded of it. None: not demanded, or not known."""

    text: str
    finish_reason: str | None = None
    """A value of `events.FinishReason`: stop, length, tool_calls, refusal."""
    json_wanted: bool = False
    schema: Schema | None = None
    tool_calls: Sequence[tuple[str, str]] = ()
    """(name, arguments as JSON text)."""
    tools: Mapping[str, Schema | None] | None = None
    """The tools that the request offers: name → schema of the arguments."""
    top_margins: Sequence[float] | None = None
    """Per token, the log-probability of the chosen token less that of the runner-up."""


class CheckFailure(msgspec.Struct, frozen=True):
    """Why an answer should not be delivered. `check` is a stable word; `detail` quotes nothing of the answer."""

    check: str
    detail: str


_REFUSAL = re.compile(
    r"^\W*(?:i['’]?m (?:very |really |so )?sorry[,.]? (?:but )?(?:i|as)\b|sorry[,.]? (?:but )?i (?:can|am|will)"
    r"|i (?:can(?:not|['’]t)|am (?:not able|unable)"
    r"|won['’]t be able) (?:to )?(?:help|assist|provide|answer|do|comply|fulfil|complete|create|write|generate|access"
    r"|discuss)|as an ai(?: language)? model,? i (?:can|do|am)"
    r"|unfortunately,? i (?:can(?:not|['’]t)|am (?:not able|unable)))",
    re.IGNORECASE,
)
_FENCE = re.compile(r"^[ \t]*```[ \t]*([\w+-]*)[^\n]*\n(.*?)^[ \t]*```", re.MULTILINE | re.DOTALL)


def _empty(answer: ModelAnswer) -> str | None:
    return "the answer is empty" if not answer.text.strip() and not answer.tool_calls else None


def _refused(answer: ModelAnswer) -> str | None:
    if answer.finish_reason == "refusal":
        return "the model declined"
    return "the answer opens with a refusal" if len(answer.text) < 1500 and _REFUSAL.match(answer.text) else None


def _cut_off(answer: ModelAnswer) -> str | None:
    return "the answer was cut off at the token limit" if answer.finish_reason == "length" else None


def _json(answer: ModelAnswer) -> str | None:
    if not answer.json_wanted or answer.tool_calls:
        return None
    try:
        value: Any = json.loads(answer.text)
    except (ValueError, RecursionError):
        return "the request demands JSON, and the answer is not JSON"
    return None if answer.schema is None or fits(value, answer.schema) else "the JSON does not fit the schema"


def _tools(answer: ModelAnswer) -> str | None:
    for name, arguments in answer.tool_calls:
        if answer.tools is not None and name not in answer.tools:
            return "a tool was called that was not offered"
        try:
            value: Any = json.loads(arguments or "{}")
        except (ValueError, RecursionError):
            return "a tool call's arguments are not JSON"
        schema = (answer.tools or {}).get(name)
        if not isinstance(value, dict) or (schema is not None and not fits(cast("Any", value), schema)):
            return "a tool call's arguments do not fit its schema"
    return None


def _code(answer: ModelAnswer) -> str | None:
    for language, block in _FENCE.findall(answer.text[:MAX_CHARS]):
        if language.lower() in {"python", "py", "python3"} and not _parses(block):
            return "a Python block does not parse"
        if language.lower() == "json" and not _is_json(block):
            return "a JSON block does not parse"
    if answer.text.count("\n```") + answer.text.startswith("```") == 1:
        return "a code block is not closed"
    return None


def _parses(source: str) -> bool:
    """Whether Python source parses. Interpreter transcripts, and sources too long to check, count as parsing."""
    if ">>>" in source or len(source) > MAX_CHARS:
        return True
    lines = [line for line in source.split("\n") if line.strip()]
    indent = min((len(line) - len(line.lstrip(" ")) for line in lines), default=0)
    source = "\n".join(line[indent:] if line.strip() else "" for line in source.split("\n"))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def _is_json(text: str) -> bool:
    if "..." in text or "//" in text or "…" in text:
        return True
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _sums(answer: ModelAnswer) -> str | None:
    stated, wrong = arithmetic(answer.text[:MAX_CHARS])
    return f"{wrong} of {stated} calculations do not compute" if wrong else None


MIN_MARGIN = 0.35
"""Margin in log-probability below which the choice of a token was almost random."""


def _unsure(answer: ModelAnswer) -> str | None:
    """The lowest decile of the margins decides, because an average rewards length (Gupta et al., arXiv 2404.10136)."""
    margins = answer.top_margins
    if not margins or len(margins) < 5:
        return None
    tenth = sorted(margins)[len(margins) // 10]
    return "the model was unsure of its words" if tenth < MIN_MARGIN * 0.3 else None


_CHECKS: tuple[tuple[str, Callable[[ModelAnswer], str | None]], ...] = (
    ("empty", _empty),
    ("refusal", _refused),
    ("length", _cut_off),
    ("json", _json),
    ("tool_arguments", _tools),
    ("code", _code),
    ("arithmetic", _sums),
    ("log_probability", _unsure),
)


def run_checks(answer: ModelAnswer) -> list[CheckFailure]:
    """Every failed check, the most reliable first."""
    return [CheckFailure(name, detail) for name, run in _CHECKS if (detail := run(answer)) is not None]


def check(answer: ModelAnswer) -> CheckFailure | None:
    """The first failed check; None: the answer passes all of them."""
    for name, run in _CHECKS:
        detail = run(answer)
        if detail is not None:
            return CheckFailure(name, detail)
    return None
