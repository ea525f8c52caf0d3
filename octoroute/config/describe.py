"""Type, range, and default of a key in words, for error texts, the template, and the documentation. Pure."""

from __future__ import annotations

import json
import types
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Literal, Union, cast, get_args, get_origin

from octoroute.config.schema.key import Field, Names
from octoroute.domain.endpoint import CHAT_TIERS, Secret, Tier
from octoroute.domain.option import Key

_NO_NAMES = Names(kinds=())
_WORDS: Mapping[object, str] = {bool: "boolean", int: "integer", float: "number", str: "string", Secret: "string"}


def bare(hint: object) -> object:
    """`X` for the type `X | None`; any other type unchanged."""
    if isinstance(hint, types.UnionType) or get_origin(hint) is Union:  # Union if X is a Literal
        parts: tuple[object, ...] = get_args(hint)
        return next(part for part in parts if part is not type(None))
    return hint


def choices(hint: object, key: Key, names: Names) -> Sequence[str]:
    """The allowed strings; empty if any string is."""
    hint = bare(hint)
    if get_origin(hint) is Literal:
        return get_args(hint)
    if hint is Tier:
        return CHAT_TIERS  # a router cannot choose the embedding tier
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return [member.value for member in hint]
    if key.names:
        return cast("Sequence[str]", getattr(names, key.names))
    return ()


def bounds(key: Key) -> str:
    """The range in words: "from 1 to 3600", "greater than 0"; empty without limits."""
    if key.low is not None:
        return f"at least {key.low:.15g}" if key.high is None else f"from {key.low:.15g} to {key.high:.15g}"
    parts = [f"greater than {key.above:.15g}"] if key.above is not None else []
    return ", ".join([*parts, f"at most {key.high:.15g}"] if key.high is not None else parts)


def like(key: Key, *, whole: bool) -> str:
    """A number in the range, as TOML."""
    if key.example is not None:
        return key.example
    number = max(1.0, key.low or 0.0)
    number = number if key.high is None else min(number, key.high)
    return str(int(number)) if whole else str(number)


def kind_of(field: Field) -> str:
    hint = bare(field.hint)
    if hint in _WORDS:
        return _WORDS[hint]
    if get_origin(hint) is tuple:
        return "list"
    return "string" if field.key.names or choices(hint, field.key, _NO_NAMES) else "table"


def allowed(field: Field, names: Names) -> str:
    hint = bare(field.hint)
    inner = get_args(hint)[0] if get_origin(hint) is tuple else hint
    return " | ".join(choices(inner, field.key, names)) or bounds(field.key)


def toml(value: object) -> str:
    """A default value as TOML."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return f"{value:.15g}"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, Mapping):
        return "{}"
    if isinstance(value, Secret):
        return json.dumps(value.reveal())
    return "[" + ", ".join(toml(item) for item in cast("Sequence[object]", value)) + "]"
