"""From a file to a Config, or to all of its problems at once. Only this module reads configuration files."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Container, Generator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import cast

import msgspec

from octoroute.config import environment
from octoroute.config.assemble import assemble
from octoroute.config.env_file import Variables
from octoroute.config.environment import child, references, substitute
from octoroute.config.formats import MAX_CHARS, parse, plain_json
from octoroute.config.importers import ImportResult, legacy
from octoroute.config.importers.providers_json import convert, is_providers_json
from octoroute.config.reader import ConfigReader, kind
from octoroute.config.schema.file import Config, FileTable
from octoroute.config.schema.key import Names
from octoroute.errors import ConfigError
from octoroute.routing.difficulty.model import load as load_artefact
from octoroute.upstream.providers import KINDS, plugins

MAX_FILE_BYTES = 4 * MAX_CHARS
"""A character has at most four bytes."""

ENVIRONMENT = "the environment"
"""`Config.source` of a configuration that comes from environment variables alone."""

DISCOVERED = ("config.toml", "octoroute.toml", "config/providers.json", "providers.json")
"""Configuration files in the current directory; the first one that exists is loaded."""

EXAMPLES = ("config/providers.example.json", "providers.example.json")
"""Files that are named in the error if there is no other, and are never loaded."""


FOREIGN_KEYS = frozenset({"model_list", "Providers", "Router", "targets"})
"""Of LiteLLM's, claude-code-router's, and Portkey's files, which octoroute can only import."""


def how_to_start() -> str:
    me = environment.command()
    return f"create one with `{me} init` or `{me} config -o config.toml`, or try `{me} demo`, which needs none"


def load(path: Path | None, env: Mapping[str, str], cwd: Path, names: Names | None = None) -> Config:
    """Raises ConfigError; if the problems are inside a file, its note is the path of the file."""
    found = cwd / path if path else discover(cwd)
    if found is not None:
        return loads(_read(found, cwd), found, env, names)
    if legacy.is_set(env):
        return _from_environment(env, names or Names())
    raise ConfigError([_no_file(cwd)])


def loads(text: str, path: Path, env: Mapping[str, str], names: Names | None = None) -> Config:
    """Like `load`, from the text of the file at `path`, which need not exist; the suffix selects the format."""
    with _inside(str(path)):
        return _build(parse(text, path), env, str(path), names or Names())


def import_tree(path: Path, env: Mapping[str, str], cwd: Path, names: Names | None = None) -> ImportResult:
    """The content of a file as a tree of octoroute's schema, to be written to a new file. References stay, and need not be set.

    Raises ConfigError like `load`.
    """
    found = cwd / path
    names = names or Names()
    text = _read(found, cwd)
    with _inside(str(found)):
        readable = plain_json(text) if found.suffix.lower() == ".json" else text
        tree = _root_table(parse(readable, found), str(found))
        given = _imported(tree, env, names)
        _check(given, env, str(found), names, writing=True)
        return given


def _imported(tree: Mapping[object, object], env: Mapping[str, str], names: Names) -> ImportResult:
    """By the program that the file is of; octoroute's own if it is of none of them."""
    if is_providers_json(tree):
        return _translate(tree, env, names, writing=True)
    from octoroute.config.importers.registry import importer_of  # noqa: PLC0415  start-up time, and few files are imported

    try:
        convert = importer_of(tree)
        given = ImportResult(tree=_text_keys(tree)) if convert is None else convert(tree)
    except RecursionError:
        raise ConfigError(["the file is nested too deeply or contains itself; reduce the nesting"]) from None
    raise_for(given.problems, "the file")
    return given


def discover(cwd: Path) -> Path | None:
    return next((cwd / name for name in DISCOVERED if (cwd / name).exists()), None)


def _no_file(cwd: Path) -> str:
    looked = f"no configuration: none of {', '.join(DISCOVERED)} is in {cwd}, and OPENAI_API_KEY is not set"
    example = next((name for name in EXAMPLES if (cwd / name).exists()), None)
    if example is None:
        return f"{looked}; {how_to_start()}"
    return (
        f"{looked}; {example} is an example and is not loaded: copy it with `cp {example} {example.replace('.example', '')}` and "
        f"enter your providers, or {how_to_start()}"
    )


@contextlib.contextmanager
def _inside(source: str) -> Generator[None]:
    try:
        yield
    except ConfigError as error:
        error.add_note(source)
        raise


def _read(path: Path, cwd: Path) -> str:
    try:
        text = _bytes(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError([f"{path}: is not UTF-8 (byte {error.start + 1}); save it as UTF-8"]) from None
    except FileNotFoundError as error:
        raise ConfigError(
            [f"{path}: does not exist (the current directory is {cwd}); correct the path, or {how_to_start()}"]
        ) from error
    except IsADirectoryError as error:
        raise ConfigError([f"{path}: is a directory; name the file in it, such as {path / 'config.toml'}"]) from error
    except PermissionError as error:
        raise ConfigError(
            [f"{path}: permission denied; try `chmod u+r {path}`, or run octoroute as the owner of the file"]
        ) from error
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or "is not a path"
        raise ConfigError([f"{path}: cannot be read: {reason}; check the path"]) from error
    if not text.strip():
        raise ConfigError([f"{path}: is empty; remove it and {how_to_start()}"])
    return text


def _bytes(path: Path) -> bytes:
    """The content of a regular file. Anything else may have no end, or wait for a writer for ever. Raises ConfigError, OSError."""
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:  # noqa: PTH123 - of a descriptor
        found = os.fstat(file.fileno())
        if stat.S_ISDIR(found.st_mode):
            raise IsADirectoryError
        if not stat.S_ISREG(found.st_mode):
            raise ConfigError([f"{path}: is not a regular file; write the configuration to a file, and name that"])
        content = file.read(MAX_FILE_BYTES + 1)
    if len(content) > MAX_FILE_BYTES:
        raise ConfigError([f"{path}: is longer than {MAX_FILE_BYTES} bytes; is it a configuration file?"])
    return content


def _build(parsed: object, env: Mapping[str, str], source: str, names: Names) -> Config:
    tree = _root_table(parsed, source)
    if not FOREIGN_KEYS.isdisjoint(tree):
        raise ConfigError(
            [f"{source}: is another gateway's configuration; convert it with `octoroute import {source} > config.toml`"]
        )
    if not is_providers_json(tree):
        return _check(ImportResult(tree=_text_keys(tree), warnings=_unused_variables(tree, env, legacy.MODELS)), env, source, names)
    given = _translate(tree, env, names)
    if given.usable:
        warnings = (*given.warnings, *_unused_variables(tree, env, None))
        filled = {name: value for name, value in env.items() if value}  # in providers.json, an empty variable counts as not set
        return _check(msgspec.structs.replace(given, warnings=warnings), filled, source, names)
    reasons = "; ".join(given.left_out) or "all have enabled = false"
    if legacy.is_set(env):
        config = _from_environment(env, names)
        used = f"{source}: no provider can be used ({reasons}), so {legacy.REQUIRED} and related environment variables are used"
        return msgspec.structs.replace(config, source=source, warnings=(used, *config.warnings))
    raise ConfigError([f"providers: none can be used: {reasons}; set the variables, or enable one"])


def _from_environment(env: Mapping[str, str], names: Names) -> Config:
    with _inside(ENVIRONMENT):
        given = legacy.convert(env, names)
        raise_for(given.problems, ENVIRONMENT)
        return _check(given, env, ENVIRONMENT, names)


def _translate(tree: Mapping[object, object], env: Mapping[str, str], names: Names, *, writing: bool = False) -> ImportResult:
    """A providers.json in octoroute's schema, with settings of the process from the environment, which the file has no keys for."""
    process = legacy.server_tables(env, names)
    try:
        given = convert(tree, env, names, writing=writing)
    except RecursionError:
        raise ConfigError(["the file is nested too deeply or contains itself; reduce the nesting"]) from None
    raise_for((*given.problems, *process.problems), "the file")
    return msgspec.structs.replace(given, tree={**process.tree, **given.tree})


def _unused_variables(tree: Mapping[object, object], env: Mapping[str, str], markers: Container[str] | None) -> tuple[str, ...]:
    """A warning if variables that would be the configuration without this file are set, and the file does not refer to them.

    `markers`: the warning needs at least one of them, because OPENAI_API_KEY alone is set on many machines. None: no condition.
    """
    if not legacy.is_set(env):
        return ()
    unused = legacy.unused(env, references(dict(tree)))
    if not unused or (markers is not None and not any(name in markers for name in unused)):
        return ()
    remedy = "remove them, or refer to them in the file as ${NAME}"
    return (f"{', '.join(unused)}: set in the environment but not used, because the file takes precedence; {remedy}",)


def _root_table(tree: object, source: str) -> Mapping[object, object]:
    if not isinstance(tree, dict):
        raise ConfigError([f"{source}: must contain a table at the top level, got {kind(tree)}; start from `octoroute config`"])
    return cast("Mapping[object, object]", tree)


def _text_keys(tree: Mapping[object, object]) -> dict[str, object]:
    return {str(name): value for name, value in tree.items()}


def _check(given: ImportResult, env: Mapping[str, str], source: str, names: Names, *, writing: bool = False) -> Config:
    try:
        substituted = substitute(given.tree, env)
    except RecursionError:
        raise ConfigError([f"{source}: is nested too deeply or contains itself; reduce the nesting"]) from None
    reader = ConfigReader(names, substituted.written)
    unset = {path for path, _ in substituted.problems}
    config = assemble(reader.table(FileTable, substituted.tree, ""), reader, names, source)
    forgiven = {
        path
        for path in substituted.unset
        if writing or path.startswith(tuple(_disabled_paths(cast("Mapping[str, object]", substituted.tree))))
    }
    # A value whose variable is not set has no other problem worth a report.
    raise_for(
        (
            *(found for found in substituted.problems if found[0] not in forgiven),
            *(found for found in reader.problems if found[0] not in unset),
        ),
        source,
    )
    if config.routing.learned.artefact is not None and not writing:
        load_artefact(config.routing.learned.artefact)  # here, so that `check` and a reload report its problems
    _load_plugins(config)
    remarks = env.warnings if isinstance(env, Variables) else ()
    return msgspec.structs.replace(
        config, warnings=(*remarks, *given.warnings, *plugins.overlooked(), *config.warnings), priorities=given.priorities
    )


def _load_plugins(config: Config) -> None:
    """Load the plug-ins of the kinds in use. Raises ConfigError if one cannot be loaded."""
    used = {endpoint.kind for endpoint in (*config.endpoints, *config.other_endpoints)} - set(KINDS)
    installed = {plugin.kind for plugin in plugins.plugin_entries()} if used else set[str]()
    for kind_ in sorted(used & installed):
        plugins.load(kind_)


def _disabled_paths(tree: Mapping[str, object]) -> Iterator[str]:
    """Path prefixes of disabled providers and of their endpoints, in which a variable may be unset."""
    off = {name for name, provider in _tables(tree.get("providers")) if str(provider.get("enabled")).lower() == "false"}
    for name in off:
        yield child("providers", name) + "."
    models = tree.get("models")
    for group, endpoints in cast("dict[str, object]", models).items() if isinstance(models, dict) else ():
        for index, endpoint in _tables(dict(enumerate(cast("list[object]", endpoints))) if isinstance(endpoints, list) else None):
            if endpoint.get("provider") in off:
                yield child(child("models", group), index) + "."


def _tables(value: object) -> list[tuple[object, dict[object, object]]]:
    """(key, table) for each value of `value` that is a table."""
    items = cast("dict[object, object]", value).items() if isinstance(value, dict) else ()
    return [(name, cast("dict[object, object]", item)) for name, item in items if isinstance(item, dict)]


def raise_for(problems: Sequence[tuple[str, str]], source: str) -> None:
    if problems:
        raise ConfigError([f"{path or source}: {text}" for path, text in problems])
