"""The configuration for other people's eyes: secrets as `***`, and what came from the environment as the file has it. Pure.

What is shown is in the file's own syntax, so that it can be edited and handed back; a `***` in it then means what stood there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast, get_args, get_origin

from octoroute.config.describe import bare
from octoroute.config.environment import child, escape
from octoroute.config.schema.file import Config
from octoroute.config.schema.key import fields
from octoroute.domain.endpoint import Secret
from octoroute.domain.option import Key, Table

MASK = "***"


def shown(config: Config) -> dict[str, Any]:
    """Every key with its value, defaults filled in; what is not set is left out."""
    return _table(config.file, "", config.written)


def _table(table: Table, path: str, written: Mapping[str, str]) -> dict[str, Any]:
    told: dict[str, Any] = {}
    for field in fields(type(table)):
        value: object = getattr(table, field.attribute)
        if value is not None:
            told[field.name] = _value(value, bare(field.hint), field.key, child(path, field.name), written)
    return told


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
    if key.secret or isinstance(value, Secret):
        return MASK
    if path in written:
        return written[path]
    return escape(str(value)) if isinstance(value, str) else value


def unmasked(new: object, old: object, problems: list[str], path: str = "") -> object:
    """`new` with each `***` replaced by what stands in its place in `old`; nothing there is a problem."""
    if new == MASK:
        if isinstance(old, str) and old != MASK:
            return old
        problems.append(f"{path}: is {MASK}, but the current configuration has no value there; write the value, or ${{NAME}}")
        return new
    if isinstance(new, dict):
        table = cast("dict[str, object]", new)
        before = cast("dict[str, object]", old) if isinstance(old, dict) else {}
        return {name: unmasked(item, before.get(name), problems, child(path, str(name))) for name, item in table.items()}
    if isinstance(new, list):
        items = cast("list[object]", new)
        matched = _matched(items, cast("list[object]", old) if isinstance(old, list) else [])
        return [unmasked(item, matched[at], problems, child(path, at)) for at, item in enumerate(items)]
    return new


def _matched(new: Sequence[object], old: Sequence[object]) -> list[object]:
    """For each item the one it was: tables by who they are, texts by their place unless some are gone."""
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
    """An endpoint's id; without one its name and address."""
    if not isinstance(item, dict):
        return ()
    table = cast("dict[str, object]", item)
    given = table.get("id")
    return (given,) if given is not None else (table.get("name"), table.get("base_url"), table.get("provider"))
