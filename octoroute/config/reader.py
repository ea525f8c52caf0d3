"""Reader of a parsed file into the schema's structs. It collects every problem instead of stopping at the first. Pure.

An invalid value is replaced by its default, so the caller must check `problems` before using the result.
"""

from __future__ import annotations

import difflib
import json
import math
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Literal, TypeVar, cast, get_args, get_origin

from octoroute.config.describe import bare, bounds, choices, like
from octoroute.config.environment import child
from octoroute.config.schema.key import Field, Names, fields
from octoroute.domain.endpoint import Secret
from octoroute.domain.option import Key, Table

T = TypeVar("T", bound=Table)

_INTEGER = re.compile(r"[+-]?[0-9]{1,18}")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_QUANTITY = re.compile(r"([0-9][0-9_,]{0,15}(?:\.[0-9]{1,6})?)\s*([A-Za-z]{0,8})")
_SECONDS: Mapping[str, float] = {
    **dict.fromkeys(("", "s", "sec", "secs", "second", "seconds"), 1),
    **dict.fromkeys(("ms", "msec"), 0.001),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), 60),
    **dict.fromkeys(("h", "hr", "hour", "hours"), 3600),
    **dict.fromkeys(("d", "day", "days"), 86400),
}

_KINDS: tuple[tuple[type | tuple[type, ...], str], ...] = (
    (bool, "true or false"),
    (int, "an integer"),
    (float, "a number"),
    (str, "a string"),
    (Mapping, "a table"),
    (list, "a list"),
    (object, "a date"),
)


def kind(value: object) -> str:
    return next(word for types_, word in _KINDS if isinstance(value, types_))


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that is most similar to `word`; None if none is."""
    by_fold = {name.casefold(): name for name in known}
    close = difflib.get_close_matches(word.strip().casefold(), by_fold, n=1, cutoff=0.6)
    return by_fold[close[0]] if close else None


class InvalidValue(Exception):
    """Caught in this module; its text becomes a problem."""


class ConfigReader:
    def __init__(self, names: Names, written: Mapping[str, str]) -> None:
        self._names = names
        self.written = written
        self.problems: list[tuple[str, str]] = []

    def problem(self, path: str, text: str) -> None:
        self.problems.append((path, text))

    def wrong(self, path: str) -> bool:
        """True if there is a problem at, below, or above `path`."""
        return any(_holds(path, found) or _holds(found, path) for found, _ in self.problems)

    def show(self, path: str, value: object) -> str:
        """A value for an error text. A value from the environment is shown as the string in the file."""
        if path in self.written:
            return f"the value of {json.dumps(self.written[path], ensure_ascii=False)}"
        if isinstance(value, str):
            return json.dumps(value if len(value) <= 80 else value[:77] + "...", ensure_ascii=False)
        if isinstance(value, bool):
            return str(value).lower()
        if isinstance(value, int | float):
            return repr(value) if isinstance(value, float) or abs(value) < 10**20 else "a number of more than 20 digits"
        return kind(value)

    def table(self, table: type[T], value: object, path: str) -> T:
        if not isinstance(value, Mapping):
            self.problem(
                path, f"must be a table, got {kind(value)}; write it as [{path}]" if path else "must be a table at the top level"
            )
            return table()
        given = {str(name): item for name, item in cast("Mapping[object, object]", value).items()}
        known = {field.name: field for field in fields(table)}
        for name in given:
            if name not in known:
                self.problem(child(path, name), self._unknown(name, known))
        read: dict[str, object] = {}
        for name, field in known.items():
            here = child(path, name)
            if given.get(name) is None:  # null in JSON and YAML: the key is not set
                if field.key.required:
                    self.problem(here, "is missing; add it")
                continue
            try:
                read[field.attribute] = self._value(field.hint, field.key, given[name], here)
            except InvalidValue as wrong:
                self.problem(here, str(wrong))
        return table(**read)

    def _unknown(self, name: str, known: Mapping[str, Field]) -> str:
        close = nearest(name, known)
        if close:
            return f'is not a known key; did you mean "{close}"?'
        return f"is not a known key; remove it, or use one of {', '.join(known)}"

    def _value(self, hint: object, key: Key, value: object, path: str) -> object:
        hint = bare(hint)  # None was handled by `table`
        origin = get_origin(hint)
        if origin is tuple:
            return self._list(get_args(hint)[0], key, value, path)
        if origin is not None and origin is not Literal:
            return self._names_of_the_user(get_args(hint)[1], key, value, path)
        if _is(hint, Table):
            return self.table(cast("type[Table]", hint), value, path)
        if hint is bool:
            return self._flag(value, path)
        if hint is int or hint is float:
            return self._number(hint, key, value, path)
        text = self._text(key, value, path, secret=hint is Secret)
        known = choices(hint, key, self._names)
        if known:
            text = self._choice(known, key, text, path)
        if _is(hint, StrEnum):
            return cast("type[StrEnum]", hint)(text)
        return Secret(text) if hint is Secret else text

    def _list(self, element: object, key: Key, value: object, path: str) -> tuple[object, ...]:
        if key.single and isinstance(value, str):
            value = [value]
        if not isinstance(value, list):
            remedy = f"write [[{path}]]" if _is(element, Table) else "put it in [ ]"
            raise InvalidValue(f"must be a list, got {kind(value)}; {remedy}")
        read: list[object] = []
        for index, item in enumerate(cast("list[object]", value)):
            here = child(path, index)
            try:
                read.append(self._value(element, key, item, here))
            except InvalidValue as wrong:
                self.problem(here, str(wrong))
        return tuple(read)

    def _names_of_the_user(self, element: object, key: Key, value: object, path: str) -> dict[str, object]:
        if not isinstance(value, Mapping):
            raise InvalidValue(f"must be a table, got {kind(value)}; write it as [{path}]")
        read: dict[str, object] = {}
        for name, item in cast("Mapping[object, object]", value).items():
            here = child(path, str(name))
            wrong_name = key.check_name(str(name)) if key.check_name else None
            if wrong_name:
                self.problem(here, wrong_name)
                continue
            try:
                read[str(name)] = self._value(element, key, item, here)
            except InvalidValue as wrong:
                self.problem(here, str(wrong))
        return read

    def _flag(self, value: object, path: str) -> bool:
        if isinstance(value, bool):
            return value
        word = value.strip().lower() if isinstance(value, str) else None
        if path in self.written and word in {"true", "false"}:
            return word == "true"
        remedy = "write it without quotes" if word in {"true", "false"} else "write true or false, without quotes"
        raise InvalidValue(f"must be true or false, got {self.show(path, value)}; {remedy}")

    def _number(self, hint: type[int | float], key: Key, value: object, path: str) -> int | float:
        whole = hint is int
        if path in self.written and isinstance(value, str):
            text = value.strip()
            if (_INTEGER if whole else _NUMBER).fullmatch(text):
                value = hint(text)
        if isinstance(value, bool) or not isinstance(value, int if whole else int | float):
            plain = _plain_number(value, path, whole=whole) if isinstance(value, str) and path not in self.written else None
            remedy = "write it without quotes" if plain == value else f"write it like {plain or like(key, whole=whole)}"
            raise InvalidValue(f"must be {'an integer' if whole else 'a number'}, got {self.show(path, value)}; {remedy}")
        if isinstance(value, float) and not math.isfinite(value):
            raise InvalidValue(f"must be a finite number, got {self.show(path, value)}; write it like {like(key, whole=whole)}")
        if not _inside(key, value):
            number = "a positive number" if key.above == 0 else "a number"
            raise InvalidValue(
                f"must be {bounds(key)}, got {self.show(path, value)}; use {number} such as {like(key, whole=whole)}"
            )
        return hint(value)

    def _text(self, key: Key, value: object, path: str, *, secret: bool) -> str:
        hidden = secret or key.secret
        if not isinstance(value, str):
            raise InvalidValue(f"must be a string, got {kind(value) if hidden else self.show(path, value)}; put it in quotes")
        wrong = key.check(value) if key.check else None
        if wrong:
            raise InvalidValue(wrong)
        return value

    def _choice(self, known: Sequence[str], key: Key, text: str, path: str) -> str:
        word = text.lower() if key.fold else text
        if word in known:
            return word
        if path not in self.written and word in key.retired:
            raise InvalidValue(f"{self.show(path, text)} {key.retired[word]}; use one of {', '.join(known)}")
        close = nearest(text, known)
        remedy = f'did you mean "{close}"?' if close else "use one of these, in lower case"
        raise InvalidValue(f"must be one of {', '.join(known)} (in lower case), got {self.show(path, text)}; {remedy}")


def _plain_number(text: str, path: str, *, whole: bool) -> str | None:
    """The number that a text with a unit probably means: 128k, 30s, 32 MB; None: none.

    The end of `path` tells seconds from bytes and counts. Thousands of bytes are 1024 of them.
    """
    if (_INTEGER if whole else _NUMBER).fullmatch(text):
        return text
    found = _QUANTITY.fullmatch(text.strip())
    if found is None:
        return None
    number, unit = float(found[1].replace("_", "").replace(",", "")), found[2].lower()
    if path.endswith("_seconds"):
        scale = _SECONDS.get(unit)
    else:
        base = 1024 if path.endswith("_bytes") or "b" in unit else 1000
        scale = {"": 1, "k": base, "m": base**2, "g": base**3}.get(unit.removesuffix("b").removesuffix("i"))
    if scale is None or (whole and not (number * scale).is_integer()):
        return None
    return f"{number * scale:.15g}"


def _is(hint: object, base: type) -> bool:
    return isinstance(hint, type) and issubclass(hint, base)


def _holds(outer: str, inner: str) -> bool:
    return inner.startswith(outer) and inner[len(outer) :][:1] in {"", ".", "["}


def _inside(key: Key, value: float) -> bool:
    below = (key.low is not None and value < key.low) or (key.above is not None and value <= key.above)
    return not below and value <= (sys.float_info.max if key.high is None else key.high)
