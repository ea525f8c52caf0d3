"""Parsers for TOML, JSON, and YAML. A duplicate key is an error in each of them. Pure.

A parsed file has at most MAX_VALUES values and MAX_DEPTH levels, so that later code can walk through it.
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

MAX_CHARS = 1024 * 1024
MAX_VALUES = 100_000
"""The values of a YAML alias count each time it is used: a few lines of aliases can expand to more than the memory holds."""
MAX_DEPTH = 50

_JSON5 = re.compile(r'"(?:\\.|[^"\\])*"|//[^\n]*|/\*.*?\*/|,(?=(?:\s|//[^\n]*\n|/\*.*?\*/)*[}\]])', re.DOTALL)

Parse: TypeAlias = Callable[[str], object]
"""Raises ValueError with a line and column, and without text of the file."""


def parse(text: str, path: Path) -> object:
    """The suffix of `path` selects the format: .json, .yaml, .yml; any other is TOML. Raises ConfigError."""
    language, read = _FORMATS.get(path.suffix.lower(), _FORMATS[".toml"])
    if len(text) > MAX_CHARS:
        raise ConfigError([f"{path}: is longer than {MAX_CHARS} characters; is it a configuration file?"])
    try:
        tree = read(text)
        _check_size(tree, _values)
    except (RecursionError, _TooDeep):
        raise ConfigError([f"{path}: is nested too deeply or contains itself; reduce the nesting"]) from None
    except ValueError as error:
        raise ConfigError([f"{path}: is not valid {language}: {error}; correct that place"]) from error
    return tree


def plain_json(text: str) -> str:
    """JSON5 as people write it, without its comments and trailing commas."""
    return _JSON5.sub(lambda found: found[0] if found[0].startswith('"') else "", text)


class _TooDeep(Exception):
    pass


def _check_size(root: object, parts: Callable[[Any], Iterable[object]]) -> None:
    """Raises ValueError or _TooDeep; the latter also if a value contains itself."""
    left = [(root, 0)]
    seen = 0
    while left:
        item, depth = left.pop()
        if depth > MAX_DEPTH:
            raise _TooDeep
        inner = [(part, depth + 1) for part in parts(item)]
        seen += len(inner)
        if seen > MAX_VALUES:
            raise ValueError(f"it expands to more than {MAX_VALUES} values")
        left += inner


def _values(item: object) -> Iterable[object]:
    """The values inside `item`, and the keys of a table."""
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
    if sum(line.count(".") ** 2 for line in text.split("\n")) > _MAX_DOTS**2:
        raise ValueError(f"it has lines with more than {_MAX_DOTS} dots")
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
    import yaml  # noqa: PLC0415  start-up time, and most files are TOML

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
    ):  # constructors of tags raise these
        raise ValueError("a value does not match its tag, or is out of range") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f" (at line {mark.line + 1}, column {mark.column + 1})" if mark else ""
        raise ValueError(f"{error.problem or 'cannot be parsed'}{place}") from None
    except yaml.YAMLError:
        raise ValueError("it contains a character that YAML does not allow") from None


def _nodes(node: yaml.Node | None) -> Iterable[object]:
    """The nodes inside `node`, checked before values are constructed: aliases and merge keys can multiply them."""
    if node is None:
        return ()
    value = cast("str | list[object]", node.value)
    if isinstance(value, str):
        if len(value) > _MAX_DIGITS and node.tag in _NUMBERS:
            raise ValueError(f"a number has more than {_MAX_DIGITS} digits")
        return ()
    parts: list[object] = []
    for item in value:
        parts += cast("tuple[object, ...]", item) if isinstance(item, tuple) else (item,)
    return parts


_HALF_CHARACTER = re.compile("[\ud800-\udfff]")
_MAX_DOTS = 5000
"""In one line; for several lines, the squares add up. The time of tomllib grows with the square of the dots in a key."""
_MAX_DIGITS = 400
_NUMBERS = frozenset({"tag:yaml.org,2002:int", "tag:yaml.org,2002:float"})
"""The time of their constructors grows with the square of the length (sexagesimal numbers: `1:30:59`)."""

_FORMATS: Mapping[str, tuple[str, Parse]] = {
    ".toml": ("TOML", _toml),
    ".json": ("JSON", _json),
    ".yaml": ("YAML", _yaml),
    ".yml": ("YAML", _yaml),
}
