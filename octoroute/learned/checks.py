"""What can be told of an answer without asking anybody: free checks. Pure, bounded; what cannot be judged passes."""

from __future__ import annotations

import ast
import json
import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import msgspec

__all__ = ["Answer", "Finding", "arithmetic", "check", "fits", "run_checks"]

LONGEST = 200_000
"""Characters; a longer answer is judged by its beginning."""

Schema: TypeAlias = Mapping[str, Any] | bool


class Answer(msgspec.Struct, frozen=True, kw_only=True):
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
    r"^\W*(?:i['’]?m (?:very |really |so )?sorry[,.]? (?:but )?(?:i|as)\b|sorry[,.]? (?:but )?i (?:can|am|will)|i (?:can(?:not|['’]t)|am (?:not able|unable)"
    r"|won['’]t be able) (?:to )?(?:help|assist|provide|answer|do|comply|fulfil|complete|create|write|generate|access|discuss)|as an ai(?: language)? model,? i (?:can|do|am)"
    r"|unfortunately,? i (?:can(?:not|['’]t)|am (?:not able|unable)))",
    re.IGNORECASE,
)
_FENCE = re.compile(r"^[ \t]*```[ \t]*([\w+-]*)[^\n]*\n(.*?)^[ \t]*```", re.MULTILINE | re.DOTALL)
_OPERAND = r"[(]*-?[$]?\d[\d,]*(?:\.\d+)?%?[)]*"
_OPERATOR = r"\s*(?:[-+*/×÷]|\\times|\\\*|x(?=\s*[(]*[$]?\d))\s*"
_STATED = re.compile(
    rf"({_OPERAND}(?:{_OPERATOR}{_OPERAND}){{1,12}})\s*=\s*[$]?(-?\d[\d,]*(?:\.\d+)?)"
)
_BEFORE = re.compile(r"(?:[-+*/×÷^(.,%\w]|\b[a-z] ?\)?)\s*$", re.IGNORECASE)
"""What stands before a calculation that is only the end of a longer one; a whole word may."""
_AFTER = re.compile(r"\s*(?:[-+*/×÷^%(]|\\|x\s*[$]?\d|[a-z]\b(?!\s+[a-z]{2}))|[.,]?\d", re.IGNORECASE)
_NOTED = re.compile(r"<<([^<>=]{1,80})=(-?[\d.,]+)>>")
_PLAIN_SUM = re.compile(r"[\d.+\-*/() ]{3,120}")


def _empty(answer: Answer) -> str | None:
    return "nothing was answered" if not answer.text.strip() and not answer.tool_calls else None


def _refused(answer: Answer) -> str | None:
    if answer.finish_reason == "refusal":
        return "the model declined"
    return "the answer opens with a refusal" if len(answer.text) < 1500 and _REFUSAL.match(answer.text) else None


def _cut_off(answer: Answer) -> str | None:
    return "the answer was cut off at the token limit" if answer.finish_reason == "length" else None


def _json(answer: Answer) -> str | None:
    if not answer.json_wanted or answer.tool_calls:
        return None
    try:
        value = json.loads(answer.text)
    except (ValueError, RecursionError):
        return "JSON was asked for, and this is not JSON"
    return None if answer.schema is None or fits(value, answer.schema) else "the JSON does not fit the schema"


def _tools(answer: Answer) -> str | None:
    for name, arguments in answer.tool_calls:
        if answer.tools is not None and name not in answer.tools:
            return "a tool was called that was not offered"
        try:
            value = json.loads(arguments or "{}")
        except (ValueError, RecursionError):
            return "a tool call's arguments are not JSON"
        schema = (answer.tools or {}).get(name)
        if not isinstance(value, dict) or (schema is not None and not fits(value, schema)):
            return "a tool call's arguments do not fit its schema"
    return None


def _code(answer: Answer) -> str | None:
    for language, block in _FENCE.findall(answer.text[:LONGEST]):
        if language.lower() in {"python", "py", "python3"} and not _parses(block):
            return "a Python block does not parse"
        if language.lower() == "json" and not _is_json(block):
            return "a JSON block does not parse"
    if answer.text.count("\n```") + answer.text.startswith("```") == 1:
        return "a code block is not closed"
    return None


def _parses(source: str) -> bool:
    """Interpreter transcripts, excerpts with an ellipsis, and indented excerpts are not held against anybody."""
    if ">>>" in source or len(source) > LONGEST:
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


def _sums(answer: Answer) -> str | None:
    stated, wrong = arithmetic(answer.text[:LONGEST])
    return f"{wrong} of {stated} calculations do not compute" if wrong else None


def arithmetic(text: str) -> tuple[int, int]:
    """(calculations stated as `a * b = c` or `<<a*b=c>>`, those that do not compute to what is stated; rounding is allowed)."""
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
    """(calculation, result) where both are written out in full; parts of longer formulas are left alone."""
    for found in _STATED.finditer(text):
        before = text[max(0, found.start() - 12) : found.start()]
        word = re.search(r"[a-z]{2,}[:,]?\s+[$]?$", before, re.IGNORECASE)
        if (word or not _BEFORE.search(before)) and not _AFTER.match(text, found.end()):
            yield found.group(1), found.group(2)


def _rounded(value: float) -> bool:
    """Whether the result has so many digits that a writer would round it."""
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
    """None: this is not plain arithmetic. Percentages are fractions."""
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


MARGIN = 0.35
"""Log-probability: below it a token was nearly a coin toss."""


def _unsure(answer: Answer) -> str | None:
    """The tenth of the tokens with the smallest margins decides: averages reward length (Gupta et al., arXiv 2404.10136)."""
    margins = answer.top_margins
    if not margins or len(margins) < 5:
        return None
    tenth = sorted(margins)[len(margins) // 10]
    return "the model was unsure of its words" if tenth < MARGIN * 0.3 else None


_CHECKS: tuple[tuple[str, Callable[[Answer], str | None]], ...] = (
    ("empty", _empty),
    ("refusal", _refused),
    ("length", _cut_off),
    ("json", _json),
    ("tool_arguments", _tools),
    ("code", _code),
    ("arithmetic", _sums),
    ("log_probability", _unsure),
)


def run_checks(answer: Answer) -> list[Finding]:
    """Every reason not to keep the answer, the surest first."""
    return [Finding(name, detail) for name, look in _CHECKS if (detail := look(answer)) is not None]


def check(answer: Answer) -> Finding | None:
    """The first reason not to keep the answer."""
    for name, look in _CHECKS:
        detail = look(answer)
        if detail is not None:
            return Finding(name, detail)
    return None


_TYPES: Mapping[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "boolean": (bool,),
    "null": (type(None),),
    "number": (int, float),
    "integer": (int,),
}


def fits(value: object, schema: Schema, root: Schema | None = None, depth: int = 0) -> bool:
    """The part of JSON Schema that structured answers use; a keyword not known here, or a `$ref` elsewhere, refuses nothing."""
    if isinstance(schema, bool):
        return schema
    root = schema if root is None else root
    if depth > 60:
        return True
    reference = schema.get("$ref")
    if isinstance(reference, str):
        target = _resolve(reference, root)
        return target is None or fits(value, target, root, depth + 1)
    return _typed(value, schema.get("type")) and all(rule(value, schema, root, depth + 1) for rule in _RULES)


def _resolve(reference: str, root: Schema) -> Schema | None:
    found: Any = root
    if not reference.startswith("#"):
        return None
    for part in reference[1:].strip("/").split("/"):
        if part:
            found = found.get(part.replace("~1", "/").replace("~0", "~")) if isinstance(found, Mapping) else None
    return found if isinstance(found, (Mapping, bool)) else None


def _typed(value: object, wanted: object) -> bool:
    if wanted is None:
        return True
    names = wanted if isinstance(wanted, list) else [wanted]
    return any(_is(value, str(name)) for name in names)


def _is(value: object, name: str) -> bool:
    if isinstance(value, bool):
        return name == "boolean" or name not in _TYPES
    if name == "integer" and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, _TYPES.get(name, (object,)))


def _same(a: object, b: object) -> bool:
    """JSON's equality: true is not 1."""
    return type(a) is type(b) and a == b if isinstance(a, bool) or isinstance(b, bool) else a == b


def _listed(value: object, schema: Mapping[str, Any], root: Schema, depth: int) -> bool:  # noqa: ARG001 - one shape for all rules
    if "const" in schema and not _same(value, schema["const"]):
        return False
    wanted = schema.get("enum")
    return not isinstance(wanted, list) or any(_same(value, one) for one in wanted)


def _object(value: object, schema: Mapping[str, Any], root: Schema, depth: int) -> bool:
    if not isinstance(value, dict):
        return True
    required, properties, extra = schema.get("required", []), schema.get("properties", {}), schema.get("additionalProperties", True)
    if not all(name in value for name in required):
        return False
    for name, inner in value.items():
        rule = properties.get(name, extra)
        if isinstance(rule, (Mapping, bool)) and not fits(inner, rule, root, depth):
            return False
    return schema.get("minProperties", 0) <= len(value) <= schema.get("maxProperties", len(value))


def _array(value: object, schema: Mapping[str, Any], root: Schema, depth: int) -> bool:
    if not isinstance(value, list):
        return True
    items, first = schema.get("items", True), schema.get("prefixItems", [])
    for i, inner in enumerate(value):
        rule = first[i] if i < len(first) else items
        if isinstance(rule, (Mapping, bool)) and not fits(inner, rule, root, depth):
            return False
    if schema.get("uniqueItems") and len({json.dumps(inner, sort_keys=True) for inner in value}) < len(value):
        return False
    return schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value))


def _scalar(value: object, schema: Mapping[str, Any], root: Schema, depth: int) -> bool:  # noqa: ARG001 - one shape for all rules
    if isinstance(value, str):
        pattern = schema.get("pattern")
        if not schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value)):
            return False
        return not isinstance(pattern, str) or len(pattern) > 200 or len(value) > 2000 or _matches(pattern, value)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        low, high = schema.get("minimum", value), schema.get("maximum", value)
        above, below = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
        return low <= value <= high and (above is None or value > above) and (below is None or value < below)
    return True


def _matches(pattern: str, value: str) -> bool:
    try:
        return re.search(pattern, value) is not None
    except re.error:
        return True


def _combined(value: object, schema: Mapping[str, Any], root: Schema, depth: int) -> bool:
    if not all(fits(value, one, root, depth) for one in schema.get("allOf", [])):
        return False
    if "anyOf" in schema and not any(fits(value, one, root, depth) for one in schema["anyOf"]):
        return False
    if "oneOf" in schema and sum(fits(value, one, root, depth) for one in schema["oneOf"]) != 1:
        return False
    return "not" not in schema or not fits(value, schema["not"], root, depth)


_RULES = (_listed, _object, _array, _scalar, _combined)
