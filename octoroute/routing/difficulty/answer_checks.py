"""What can be told of an answer without asking anybody: free checks. Pure, bounded; what cannot be judged passes."""

# ruff: noqa: RUF001 - typed apostrophes are what it is about

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

__all__ = ["Finding", "ModelAnswer", "check", "run_checks"]

MAX_CHARS = 200_000
"""Characters; a longer answer is judged by its beginning."""


class ModelAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A finished answer and what was asked of it. None: not asked, or not told."""

    text: str
    finish_reason: str | None = None
    """As `events.FinishReason`: stop, length, tool_calls, refusal."""
    json_wanted: bool = False
    schema: Schema | None = None
    tool_calls: Sequence[tuple[str, str]] = ()
    """(name, arguments as JSON text)."""
    tools: Mapping[str, Schema | None] | None = None
    """Name → schema of the arguments, of the tools that were offered."""
    top_margins: Sequence[float] | None = None
    """Per token, the log-probability of the chosen token less that of the runner-up."""


class Finding(msgspec.Struct, frozen=True):
    """Why an answer should not be kept. `check` is a stable word, `detail` holds nothing of the answer."""

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
    return "nothing was answered" if not answer.text.strip() and not answer.tool_calls else None


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
        return "JSON was asked for, and this is not JSON"
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
    """Interpreter transcripts, excerpts with an ellipsis, and indented excerpts are not held against anybody."""
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
"""Log-probability: below it a token was nearly a coin toss."""


def _unsure(answer: ModelAnswer) -> str | None:
    """The tenth of the tokens with the smallest margins decides: averages reward length (Gupta et al., arXiv 2404.10136)."""
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


def run_checks(answer: ModelAnswer) -> list[Finding]:
    """Every reason not to keep the answer, the surest first."""
    return [Finding(name, detail) for name, look in _CHECKS if (detail := look(answer)) is not None]


def check(answer: ModelAnswer) -> Finding | None:
    """The first reason not to keep the answer."""
    for name, look in _CHECKS:
        detail = look(answer)
        if detail is not None:
            return Finding(name, detail)
    return None
