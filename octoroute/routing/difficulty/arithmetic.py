"""Checks the calculations that a text states. Pure; evaluates plain arithmetic only, and never with `eval`."""

# ruff: noqa: RUF001 - the patterns need mathematical signs

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator

__all__ = ["arithmetic"]

_OPERAND = r"[(]*-?[$]?\d[\d,]*(?:\.\d+)?%?[)]*"
_OPERATOR = r"\s*(?:[-+*/×÷]|\\times|\\\*|x(?=\s*[(]*[$]?\d))\s*"
_STATED = re.compile(rf"({_OPERAND}(?:{_OPERATOR}{_OPERAND}){{1,12}})\s*=\s*[$]?(-?\d[\d,]*(?:\.\d+)?)")
_BEFORE = re.compile(r"(?:[-+*/×÷^(.,%\w]|\b[a-z] ?\)?)\s*$", re.IGNORECASE)
"""What precedes a calculation that is only the end of a longer one; a whole word does not make it one."""
_AFTER = re.compile(r"\s*(?:[-+*/×÷^%(]|\\|x\s*[$]?\d|[a-z]\b(?!\s+[a-z]{2}))|[.,]?\d", re.IGNORECASE)
_NOTED = re.compile(r"<<([^<>=]{1,80})=(-?[\d.,]+)>>")
_PLAIN_SUM = re.compile(r"[\d.+\-*/() ]{3,120}")


def arithmetic(text: str) -> tuple[int, int]:
    """(calculations stated as `a * b = c` or `<<a*b=c>>`, those of them with a wrong result); rounded results are right."""
    stated = wrong = 0
    for left, right in [*_NOTED.findall(text), *_whole_sums(_NOTED.sub("", text))]:
        value, claim = _compute(left), _number(right)
        if value is None or claim is None:
            continue
        stated += 1
        places = len(right.rstrip(".,").partition(".")[2])
        allowed = max(0.5000001 * 10.0**-places if places else 0.5000001, 0.005 * abs(value)) if _rounded(value) else 1e-6
        wrong += abs(value - claim) > allowed
    return stated, wrong


def _whole_sums(text: str) -> Iterator[tuple[str, str]]:
    """(calculation, result) of each complete calculation; parts of longer formulas are skipped."""
    for found in _STATED.finditer(text):
        before = text[max(0, found.start() - 12) : found.start()]
        word = re.search(r"[a-z]{2,}[:,]?\s+[$]?$", before, re.IGNORECASE)
        if (word or not _BEFORE.search(before)) and not _AFTER.match(text, found.end()):
            yield found.group(1), found.group(2)


def _rounded(value: float) -> bool:
    """Whether a result has so many digits that a writer would round it."""
    return abs(value * 100 - round(value * 100)) > 1e-6


def _number(text: str) -> float | None:
    try:
        return float(text.replace(",", "").rstrip("."))
    except ValueError:
        return None


_OPERATIONS: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    ast.Div: lambda a, b: a / b,
}


def _compute(text: str) -> float | None:
    """The value of an expression, percentages as fractions; None: it is not plain arithmetic."""
    plain = re.sub(r"(\d(?:[\d.]*))%", r"(\1/100)", text.replace(",", "").replace("$", ""))
    plain = plain.replace("×", "*").replace("÷", "/").replace("\\times", "*").replace("\\*", "*").replace("x", "*")
    if not _PLAIN_SUM.fullmatch(plain) or plain.count("(") != plain.count(")"):
        return None
    try:
        return _value(ast.parse(re.sub(r"\b0+(?=\d)", "", plain.strip()), mode="eval").body)
    except (SyntaxError, ValueError, ZeroDivisionError, OverflowError, RecursionError):
        return None


def _value(node: ast.expr) -> float:
    match node:
        case ast.Constant(value=int() | float() as number):
            return float(number)
        case ast.UnaryOp(op=ast.USub(), operand=inner):
            return -_value(inner)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATIONS:
            return _OPERATIONS[type(op)](_value(left), _value(right))
        case _:
            raise ValueError("not plain arithmetic")
