"""The configuration without secrets: each secret is `***`, each value from the environment is its `${NAME}`. Pure.

The result is a valid file, which may be edited and sent back; a `***` in it then stands for the current value.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast, get_args, get_origin
from urllib.parse import unquote, urlsplit

from octoroute.config.describe import bare
from octoroute.config.environment import child, escape
from octoroute.config.schema.file import Config
from octoroute.config.schema.key import fields
from octoroute.domain.endpoint import Secret
from octoroute.domain.option import Key, Table

MASK = "***"


def mask(config: Config) -> dict[str, Any]:
    """Every key with its value or default, without keys that are None."""
    return _table(config.file, "", config.written)


def _table(table: Table, path: str, written: Mapping[str, str]) -> dict[str, Any]:
    masked: dict[str, Any] = {}
    for field in fields(type(table)):
        value: object = getattr(table, field.attribute)
        if value is not None:
            masked[field.name] = _value(value, bare(field.hint), field.key, child(path, field.name), written)
    return masked


def _value(value: object, hint: object, key: Key, path: str, written: Mapping[str, str]) -> object:
    if isinstance(value, Table):
        return _table(value, path, written)
    if isinstance(value, tuple):
        element = get_args(hint)[0]
        items = enumerate(cast("Sequence[object]", value))
        return [_value(item, element, key, child(path, at), written) for at, item in items]
    if isinstance(value, Mapping):
        element = get_args(hint)[1] if get_origin(hint) else object
        named = cast("Mapping[str, object]", value).items()
        return {name: _value(item, element, key, child(path, name), written) for name, item in named}
    if isinstance(value, Secret) and not value.reveal():
        return ""  # nothing is set, and nothing to hide
    if key.secret or isinstance(value, Secret):
        return MASK
    if path in written:
        return written[path]
    return escape(str(value)) if isinstance(value, str) else value


def secret_values(config: Config) -> Iterator[str]:
    """Every secret of the file, the passwords of its addresses by themselves too, and every value of its headers."""
    for text in _secrets(config.file, secret=False):
        yield text
        if password := _password(text):
            yield password


def _secrets(value: object, *, secret: bool) -> Iterator[str]:
    if isinstance(value, Secret):
        yield value.reveal()
    elif isinstance(value, str):
        if secret:
            yield value
    elif isinstance(value, Table):
        for field in fields(type(value)):
            yield from _secrets(getattr(value, field.attribute), secret=field.key.secret)
    elif isinstance(value, Mapping):
        for item in cast("Mapping[str, object]", value).values():
            yield from _secrets(item, secret=secret)
    elif isinstance(value, tuple):
        for item in cast("Sequence[object]", value):
            yield from _secrets(item, secret=secret)


def _password(url: str) -> str:
    try:
        return unquote(urlsplit(url).password or "")
    except ValueError:  # no address
        return ""


def unmask(new: object, old: object, problems: list[str], path: str = "") -> object:
    """`new` with each `***` replaced by the value at the same place in `old`. A place without a value is added to `problems`."""
    if new == MASK:
        if isinstance(old, str) and old != MASK:
            return old
        problems.append(f"{path}: is {MASK}, but the current configuration has no value there; write the value, or ${{NAME}}")
        return new
    if isinstance(new, dict):
        table = cast("dict[str, object]", new)
        before = cast("dict[str, object]", old) if isinstance(old, dict) else {}
        return {name: unmask(item, before.get(name), problems, child(path, str(name))) for name, item in table.items()}
    if isinstance(new, list):
        items = cast("list[object]", new)
        matched = _match(items, cast("list[object]", old) if isinstance(old, list) else [])
        return [unmask(item, matched[at], problems, child(path, at)) for at, item in enumerate(items)]
    return new


def _match(new: Sequence[object], old: Sequence[object]) -> list[object]:
    """For each item of `new` its item of `old`: tables by identity, strings by position unless some were removed."""
    if any(isinstance(item, dict) for item in new):
        left: list[object] = [item for item in old if isinstance(item, dict)]
        return [_take(item, left) for item in new]
    if len(new) < len(old):
        return [None] * len(new)
    return [*old, *([None] * (len(new) - len(old)))]


def _take(item: object, left: list[object]) -> object:
    mine = _identity(item)
    for at, other in enumerate(left):
        if _identity(other) == mine:
            return left.pop(at)
    return None


def _identity(item: object) -> tuple[object, ...]:
    """The id of an endpoint; without one, its name, address, and provider."""
    if not isinstance(item, dict):
        return ()
    table = cast("dict[str, object]", item)
    given = table.get("id")
    return (given,) if given is not None else (table.get("name"), table.get("base_url"), table.get("provider"))
