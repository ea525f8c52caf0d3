"""TOML, JSON, and YAML in, plain values out. A key that is there twice is an error in all of them. Pure."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Hashable, Mapping
from pathlib import Path
from typing import TypeAlias, cast

from octoroute.errors import ConfigError

Parse: TypeAlias = Callable[[str], object]
"""Raises ValueError with a place (line and column) and no text of the file."""


def parse(text: str, path: Path) -> object:
    """The suffix of `path` tells the format; any other than .json, .yaml, and .yml is TOML. Raises ConfigError."""
    language, read = _FORMATS.get(path.suffix.lower(), _FORMATS[".toml"])
    try:
        return read(text)
    except RecursionError:
        raise ConfigError([f"{path}: is nested too deeply, or within itself; write it flat"]) from None
    except ValueError as error:
        raise ConfigError([f"{path}: is not valid {language}: {error}; correct that place"]) from error


def _toml(text: str) -> object:
    return tomllib.loads(text)


def _json(text: str) -> object:
    def table(pairs: list[tuple[str, object]]) -> dict[str, object]:
        found = dict(pairs)
        if len(found) < len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            raise ValueError(f"the key {json.dumps(twice)} is there twice")
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
                if isinstance(key, yaml.ScalarNode) and key.value in seen and key.value != "<<":
                    raise yaml.constructor.ConstructorError(
                        None, None, f"the key {json.dumps(key.value)} is there twice", key.start_mark
                    )
                seen.add(str(key.value))
            return super().construct_mapping(node, deep)

    try:
        return cast("object", yaml.load(text, Loader))  # noqa: S506  a SafeLoader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f" (at line {mark.line + 1}, column {mark.column + 1})" if mark else ""
        raise ValueError(f"{error.problem or 'cannot be parsed'}{place}") from None
    except yaml.YAMLError:
        raise ValueError("it holds a character that YAML does not allow") from None


_FORMATS: Mapping[str, tuple[str, Parse]] = {
    ".toml": ("TOML", _toml),
    ".json": ("JSON", _json),
    ".yaml": ("YAML", _yaml),
    ".yml": ("YAML", _yaml),
}
