"""TOML, JSON, and YAML in, plain values out. A key that appears twice is an error in all of them. Pure.

What comes out is small enough for those who walk through it: no file, however written, means more values than MOST_VALUES or nests
deeper than MOST_DEPTH.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Hashable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from octoroute.errors import ConfigError

if TYPE_CHECKING:
    import yaml

MOST_CHARS = 1024 * 1024
MOST_VALUES = 100_000
"""Counting what a YAML alias stands for each time it is met: a few lines of them can mean more than fits into memory."""
MOST_DEPTH = 50

Parse: TypeAlias = Callable[[str], object]
"""Raises ValueError with a place (line and column) and no text of the file."""


def parse(text: str, path: Path) -> object:
    """The suffix of `path` tells the format; any other than .json, .yaml, and .yml is TOML. Raises ConfigError."""
    language, read = _FORMATS.get(path.suffix.lower(), _FORMATS[".toml"])
    if len(text) > MOST_CHARS:
        raise ConfigError([f"{path}: is longer than {MOST_CHARS} characters; is it a configuration file?"])
    try:
        tree = read(text)
        _check_size(tree, _values)
    except (RecursionError, _TooDeep):
        raise ConfigError([f"{path}: is nested too deeply or contains itself; reduce the nesting"]) from None
    except ValueError as error:
        raise ConfigError([f"{path}: is not valid {language}: {error}; correct that place"]) from error
    return tree


class _TooDeep(Exception):
    pass


def _check_size(root: object, parts: Callable[[Any], Iterable[object]]) -> None:
    """Raises ValueError or _TooDeep, and ends although something may be within itself."""
    left = [(root, 0)]
    seen = 0
    while left:
        item, depth = left.pop()
        if depth > MOST_DEPTH:
            raise _TooDeep
        inner = [(part, depth + 1) for part in parts(item)]
        seen += len(inner)
        if seen > MOST_VALUES:
            raise ValueError(f"it expands to more than {MOST_VALUES} values")
        left += inner


def _values(item: object) -> Iterable[object]:
    """Of a table also the keys."""
    if isinstance(item, str):
        if not item.isascii() and _HALF_CHARACTER.search(item):
            raise ValueError("it contains an unpaired surrogate")
    elif isinstance(item, dict):
        table = cast("dict[object, object]", item)
        return [*table, *table.values()]
    elif isinstance(item, list | tuple | set):
        return cast("Iterable[object]", item)
    return ()


def _toml(text: str) -> object:
    if sum(line.count(".") ** 2 for line in text.split("\n")) > _MOST_DOTS**2:
        raise ValueError(f"it has lines with more than {_MOST_DOTS} dots")
    return tomllib.loads(text)


def _json(text: str) -> object:
    def table(pairs: list[tuple[str, object]]) -> dict[str, object]:
        found: dict[str, object] = {}
        for name, value in pairs:
            if name in found:
                raise ValueError(f"the key {json.dumps(name)} appears twice")
            found[name] = value
        return found

    try:
        return json.loads(text, object_pairs_hook=table)
    except json.JSONDecodeError as error:
        raise ValueError(f"{error.msg} (at line {error.lineno}, column {error.colno})") from None


def _yaml(text: str) -> object:
    import yaml  # noqa: PLC0415  time that TOML users need not wait

    class Loader(yaml.SafeLoader):
        def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, object]:
            seen: set[str] = set()
            for key, _ in node.value:
                if not isinstance(key, yaml.ScalarNode) or key.value == "<<":
                    continue
                if key.value in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"the key {json.dumps(key.value)} appears twice", key.start_mark
                    )
                seen.add(key.value)
            return super().construct_mapping(node, deep)

    try:
        loader = Loader(text)
        node = loader.get_single_node()
        _check_size(node, _nodes)
        if node is None:
            return None
        return cast("object", loader.construct_document(node))  # pyright: ignore[reportUnknownMemberType]
    except (
        ArithmeticError,
        AttributeError,
        LookupError,
        TypeError,
    ):  # so do constructors fail
        raise ValueError("a value does not match its tag, or is out of range") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f" (at line {mark.line + 1}, column {mark.column + 1})" if mark else ""
        raise ValueError(f"{error.problem or 'cannot be parsed'}{place}") from None
    except yaml.YAMLError:
        raise ValueError("it contains a character that YAML does not allow") from None


def _nodes(node: yaml.Node | None) -> Iterable[object]:
    """Before anything is made of them: aliases, and keys that are merged, can multiply."""
    if node is None:
        return ()
    value = cast("str | list[object]", node.value)
    if isinstance(value, str):
        if len(value) > _MOST_DIGITS and node.tag in _NUMBERS:
            raise ValueError(f"a number has more than {_MOST_DIGITS} digits")
        return ()
    parts: list[object] = []
    for item in value:
        parts += cast("tuple[object, ...]", item) if isinstance(item, tuple) else (item,)
    return parts


_HALF_CHARACTER = re.compile("[\ud800-\udfff]")
_MOST_DOTS = 5000
"""In a line, or in several by their squares: that is how tomllib's time for a key grows."""
_MOST_DIGITS = 400
_NUMBERS = frozenset({"tag:yaml.org,2002:int", "tag:yaml.org,2002:float"})
"""Their constructors' time grows with the square of a value's length (sexagesimal ones: `1:30:59`)."""

_FORMATS: Mapping[str, tuple[str, Parse]] = {
    ".toml": ("TOML", _toml),
    ".json": ("JSON", _json),
    ".yaml": ("YAML", _yaml),
    ".yml": ("YAML", _yaml),
}
