"""Whether a JSON value is what an SDK's TypedDict says a request is, field for field: a key it does not know is an error too."""

from __future__ import annotations

import collections.abc
import types
from functools import cache
from typing import Annotated, Any, Literal, Union

import typing_extensions
from pydantic import BaseModel

_LISTS = (list, collections.abc.Iterable, collections.abc.Sequence)
_MARKS = (typing_extensions.Required, typing_extensions.NotRequired, typing_extensions.ReadOnly)


def problems(value: Any, wanted: Any, path: str = "$") -> list[str]:
    """Nothing, or sentences naming the paths. In a union the member with the fewest problems is reported."""
    origin = typing_extensions.get_origin(wanted)
    arguments = typing_extensions.get_args(wanted)
    if wanted is Any or wanted is object:
        return []
    if origin is Annotated or origin in _MARKS:
        return problems(value, arguments[0], path)
    if origin is Literal:
        return [] if value in arguments else [f"{path}: {value!r} is none of {arguments}"]
    if origin in {Union, types.UnionType}:
        found = [problems(value, member, path) for member in arguments]
        return [] if not all(found) else min(found, key=lambda told: (len(told), -max(map(len, told))))
    if typing_extensions.is_typeddict(wanted):
        return _object(value, wanted, path)
    if origin in _LISTS or getattr(origin, "__name__", wanted.__name__) == "SequenceNotStr":
        if not isinstance(value, list):
            return [f"{path}: no list but {type(value).__name__}"]
        return [problem for at, item in enumerate(value) for problem in problems(item, arguments[0], f"{path}[{at}]")]
    if origin in {dict, collections.abc.Mapping}:
        if not isinstance(value, dict):
            return [f"{path}: no object but {type(value).__name__}"]
        return [problem for key, item in value.items() for problem in problems(item, arguments[1], f"{path}.{key}")]
    if isinstance(wanted, type) and issubclass(wanted, BaseModel):
        return [f"{path}: {wanted.__name__} belongs to answers"]
    if wanted is type(None):
        return [] if value is None else [f"{path}: not null"]
    if wanted is float:
        return [] if isinstance(value, int | float) and not isinstance(value, bool) else [f"{path}: no number"]
    if wanted in {str, int, bool}:
        return [] if type(value) is wanted else [f"{path}: {type(value).__name__} instead of {wanted.__name__}"]
    return [f"{path}: is {wanted}, which no JSON can be"]


@cache
def _hints(wanted: Any) -> dict[str, Any]:
    return typing_extensions.get_type_hints(wanted, include_extras=True)


def _required(hint: Any) -> bool:
    """Both SDKs mark what is required, and nothing else is."""
    return typing_extensions.get_origin(hint) is typing_extensions.Required


def _object(value: Any, wanted: Any, path: str) -> list[str]:
    if not isinstance(value, dict):
        return [f"{path}: no object but {type(value).__name__}"]
    hints = _hints(wanted)
    found = [f"{path}.{key}: is not in {wanted.__name__}" for key in value if key not in hints]
    found += [f"{path}.{key}: is missing" for key, hint in hints.items() if _required(hint) and key not in value]
    return found + [
        problem for key, item in value.items() if key in hints for problem in problems(item, hints[key], f"{path}.{key}")
    ]
