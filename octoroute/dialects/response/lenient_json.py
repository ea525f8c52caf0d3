"""Reads JSON into a struct although some fields have other types than expected: such a field is left out, not the response. Pure.

Numbers are read from text and text from numbers, one object stands for a list of one, and null or an unusable value for absence.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from functools import lru_cache
from typing import Any, Final, TypeVar, cast

import msgspec
from msgspec import inspect

T = TypeVar("T")

_ANYTHING = msgspec.json.Decoder()
_WHOLE = re.compile(r"[+-]?[0-9]{1,18}(?:\.0{1,18})?")
_NUMBER = re.compile(r"[+-]?[0-9]{1,18}(?:\.[0-9]{1,18})?")


class _Sentinel(Enum):
    UNUSABLE = 0


_UNUSABLE: Final = _Sentinel.UNUSABLE


@lru_cache(maxsize=64)
def _type_info(type: object) -> inspect.Type:
    return inspect.type_info(type)


def read_leniently(decoder: msgspec.json.Decoder[T], data: bytes) -> T:
    """Decode as `decoder` would, without the fields that it refuses.

    Raises ValueError for what is not JSON or holds no value of the decoder's type, and RecursionError.
    """
    found = _coerce(_ANYTHING.decode(data), _type_info(decoder.type))
    if found is _UNUSABLE:
        raise ValueError("the JSON has another shape than expected")
    return cast("T", found)


def _coerce(value: object, info: inspect.Type) -> object:
    """`value` as the type `info`, or _UNUSABLE."""
    read = _READERS.get(type(info))
    return _UNUSABLE if read is None else read(value, info)


def _struct(value: object, info: inspect.StructType) -> object:
    if not isinstance(value, dict):
        return _UNUSABLE
    members = cast("Mapping[str, object]", value)
    fields: dict[str, object] = {}
    for field in info.fields:
        if field.encode_name in members:
            found = _coerce(members[field.encode_name], field.type)
            if found is not _UNUSABLE:
                fields[field.name] = found
        if field.required and field.name not in fields:
            return _UNUSABLE
    return info.cls(**fields)


def _list(value: object, info: inspect.ListType) -> object:
    if not isinstance(value, (list, dict)):
        return _UNUSABLE
    items = cast("list[object]", value) if isinstance(value, list) else [cast("object", value)]
    return [found for item in items if (found := _coerce(item, info.item_type)) is not _UNUSABLE]


def _dict(value: object, _: inspect.DictType) -> object:
    return cast("object", value) if isinstance(value, dict) else _UNUSABLE


def _text(value: object, _: inspect.StrType) -> object:
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else _UNUSABLE


def _whole(value: object, _: inspect.IntType) -> object:
    if isinstance(value, str) and _WHOLE.fullmatch(value.strip()):
        return int(float(value)) if "." in value else int(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if type(value) is int else _UNUSABLE


def _number(value: object, _: inspect.FloatType) -> object:
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        return float(value)
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else _UNUSABLE


def _bool(value: object, _: inspect.BoolType) -> object:
    return value if isinstance(value, bool) else _UNUSABLE


def _none(value: object, _: inspect.NoneType) -> object:
    return None if value is None else _UNUSABLE


def _any(value: object, _: inspect.AnyType) -> object:
    return value


def _raw(value: object, _: inspect.RawType) -> object:
    return msgspec.Raw(msgspec.json.encode(value))


_NATIVE: Mapping[type, Sequence[type[inspect.Type]]] = {
    dict: (inspect.StructType, inspect.DictType),
    list: (inspect.ListType,),
    str: (inspect.StrType,),
    int: (inspect.IntType,),
    float: (inspect.FloatType, inspect.IntType),
    bool: (inspect.BoolType,),
}
"""Which types of a union a value is read as first."""


def _union(value: object, info: inspect.UnionType) -> object:
    native = _NATIVE.get(type(value), ())
    for option in sorted(info.types, key=lambda option: not isinstance(option, tuple(native))):
        found = _coerce(value, option)
        if found is not _UNUSABLE:
            return found
    return _UNUSABLE


_READERS: Mapping[type[inspect.Type], Callable[[object, Any], object]] = {
    inspect.StructType: _struct,
    inspect.ListType: _list,
    inspect.DictType: _dict,
    inspect.StrType: _text,
    inspect.IntType: _whole,
    inspect.FloatType: _number,
    inspect.BoolType: _bool,
    inspect.NoneType: _none,
    inspect.AnyType: _any,
    inspect.RawType: _raw,
    inspect.UnionType: _union,
}
