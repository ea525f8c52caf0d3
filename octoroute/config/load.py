"""From a file to a Config, or to every problem in it at once. The only reader of configuration files."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Hashable, Mapping
from pathlib import Path
from typing import TypeAlias, cast

from octoroute.config.assemble import assemble
from octoroute.config.environment import substitute
from octoroute.config.reader import Reader, kind
from octoroute.config.schema import Config, File, Names
from octoroute.errors import ConfigError

Parse: TypeAlias = Callable[[str], object]
"""Raises ValueError with a place (line and column) and no text of the file."""

DISCOVERED = ("config.toml", "octoroute.toml", "config/providers.json", "providers.json")
"""What is looked for in the current directory, in this order."""

START = "write one with `octoroute init` or `octoroute config -o config.toml`, or try `octoroute demo`, which needs none"


def load(path: Path | None, env: Mapping[str, str], cwd: Path, names: Names | None = None) -> Config:
    """Raises ConfigError; its note is the file's path when the problems are inside a file."""
    found = cwd / path if path else discover(cwd)
    return loads(_read(found, cwd), found, env, names)


def loads(text: str, path: Path, env: Mapping[str, str], names: Names | None = None) -> Config:
    """As `load`, from a text that stands, or will stand, at `path`; its suffix tells the format."""
    try:
        return _build(parse(text, path), env, str(path), names or Names())
    except ConfigError as error:
        error.add_note(str(path))
        raise


def discover(cwd: Path) -> Path:
    for name in DISCOVERED:
        if (cwd / name).exists():
            return cwd / name
    raise ConfigError([f"no configuration: none of {', '.join(DISCOVERED)} is in {cwd}; {START}"])


def _read(path: Path, cwd: Path) -> str:
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError([f"{path}: is not UTF-8 (byte {error.start + 1}); save it as UTF-8"]) from None
    except FileNotFoundError as error:
        raise ConfigError([f"{path}: does not exist (the current directory is {cwd}); correct the path, or {START}"]) from error
    except IsADirectoryError as error:
        raise ConfigError([f"{path}: is a directory; name the file in it, such as {path / 'config.toml'}"]) from error
    except PermissionError as error:
        raise ConfigError([f"{path}: may not be read by this user; try `chmod u+r {path}`, or run as its owner"]) from error
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or "is not a path"
        raise ConfigError([f"{path}: cannot be read: {reason}; check the path"]) from error
    if not text.strip():
        raise ConfigError([f"{path}: is empty; remove it and {START}"])
    return text


def parse(text: str, path: Path) -> object:
    """The tree as it stands there, references and all. Raises ConfigError."""
    language, read = _FORMATS.get(path.suffix.lower(), _FORMATS[".toml"])
    try:
        return read(text)
    except RecursionError:
        raise ConfigError([f"{path}: is nested too deeply, or within itself; write it flat"]) from None
    except ValueError as error:
        raise ConfigError([f"{path}: is not valid {language}: {error}; correct that place"]) from error


def _build(tree: object, env: Mapping[str, str], source: str, names: Names) -> Config:
    if not isinstance(tree, dict):
        raise ConfigError([f"{source}: must hold a table at the top, got {kind(tree)}; start from `octoroute config`"])
    refuse_foreign(cast("Mapping[object, object]", tree), source)
    try:
        substituted = substitute(cast("object", tree), env)
    except RecursionError:
        raise ConfigError([f"{source}: is nested too deeply, or within itself; write it flat"]) from None
    reader = Reader(names, substituted.written)
    unset = {path for path, _ in substituted.problems}
    config = assemble(reader.table(File, substituted.tree, ""), reader, names, source)
    # What else is wrong with a value whose variable is not set is no news.
    problems = [*substituted.problems, *(found for found in reader.problems if found[0] not in unset)]
    if problems:
        raise ConfigError([f"{path or source}: {text}" for path, text in problems])
    return config


def refuse_foreign(tree: Mapping[object, object], source: str) -> None:
    """The seam for other programs' files: a `providers` list is claude-code-proxy's providers.json."""
    if isinstance(tree.get("providers"), list):
        wrong = "providers is a list, as in other programs' files, and `octoroute import` is not in this version"
        raise ConfigError([f"{source}: {wrong}; write the same as [providers.NAME] tables, see `octoroute config`"])


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
