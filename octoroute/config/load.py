"""From a file to a Config, or to every problem in it at once. The only reader of configuration files."""

from __future__ import annotations

import contextlib
from collections.abc import Container, Generator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import cast

import msgspec

from octoroute.config import environment
from octoroute.config.assemble import assemble
from octoroute.config.environment import child, references, substitute
from octoroute.config.formats import parse
from octoroute.config.importers import ImportResult, legacy
from octoroute.config.importers.providers_json import convert, is_providers_json
from octoroute.config.reader import ConfigReader, kind
from octoroute.config.schema import Config, FileTable, Names
from octoroute.errors import ConfigError
from octoroute.routing.difficulty.model import load as load_artefact
from octoroute.upstream.providers import KINDS, plugins

ENVIRONMENT = "the environment"
"""The source of a configuration that no file holds."""

DISCOVERED = ("config.toml", "octoroute.toml", "config/providers.json", "providers.json")
"""What is looked for in the current directory, in this order."""

EXAMPLES = ("config/providers.example.json", "providers.example.json")
"""What is never loaded."""


def how_to_start() -> str:
    me = environment.command()
    return f"write one with `{me} init` or `{me} config -o config.toml`, or try `{me} demo`, which needs none"


def load(path: Path | None, env: Mapping[str, str], cwd: Path, names: Names | None = None) -> Config:
    """Raises ConfigError; its note is the file's path when the problems are inside a file."""
    found = cwd / path if path else discover(cwd)
    if found is not None:
        return loads(_read(found, cwd), found, env, names)
    if legacy.is_set(env):
        return _of_the_environment(env, names or Names())
    raise ConfigError([_nothing(cwd)])


def loads(text: str, path: Path, env: Mapping[str, str], names: Names | None = None) -> Config:
    """As `load`, from a text that stands, or will stand, at `path`; its suffix tells the format."""
    with _inside(str(path)):
        return _build(parse(text, path), env, str(path), names or Names())


def imported(path: Path, env: Mapping[str, str], cwd: Path, names: Names | None = None) -> ImportResult:
    """The tree of a file as our schema has it, references and all, to be written anew. A variable need not be set.

    Raises ConfigError as `load` does.
    """
    found = cwd / path
    names = names or Names()
    text = _read(found, cwd)
    with _inside(str(found)):
        tree = _top(parse(text, found), str(found))
        given = _translated(tree, env, names, writing=True) if is_providers_json(tree) else ImportResult(tree=_text_keys(tree))
        _check(given, env, str(found), names, writing=True)
        return given


def discover(cwd: Path) -> Path | None:
    return next((cwd / name for name in DISCOVERED if (cwd / name).exists()), None)


def _nothing(cwd: Path) -> str:
    looked = f"no configuration: none of {', '.join(DISCOVERED)} is in {cwd}, and OPENAI_API_KEY is not set"
    example = next((name for name in EXAMPLES if (cwd / name).exists()), None)
    if example is None:
        return f"{looked}; {how_to_start()}"
    return (
        f"{looked}; {example} is an example and is not loaded: copy it with `cp {example} {example.replace('.example', '')}` and "
        f"put your providers into it, or {how_to_start()}"
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
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError([f"{path}: is not UTF-8 (byte {error.start + 1}); save it as UTF-8"]) from None
    except FileNotFoundError as error:
        raise ConfigError(
            [f"{path}: does not exist (the current directory is {cwd}); correct the path, or {how_to_start()}"]
        ) from error
    except IsADirectoryError as error:
        raise ConfigError([f"{path}: is a directory; name the file in it, such as {path / 'config.toml'}"]) from error
    except PermissionError as error:
        raise ConfigError([f"{path}: may not be read by this user; try `chmod u+r {path}`, or run as its owner"]) from error
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or "is not a path"
        raise ConfigError([f"{path}: cannot be read: {reason}; check the path"]) from error
    if not text.strip():
        raise ConfigError([f"{path}: is empty; remove it and {how_to_start()}"])
    return text


def _build(parsed: object, env: Mapping[str, str], source: str, names: Names) -> Config:
    tree = _top(parsed, source)
    if not is_providers_json(tree):
        return _check(ImportResult(tree=_text_keys(tree), warnings=_beside(tree, env, legacy.MODELS)), env, source, names)
    given = _translated(tree, env, names)
    if given.usable:
        warnings = (*given.warnings, *_beside(tree, env, None))
        filled = {name: value for name, value in env.items() if value}  # to these files, empty is not set
        return _check(msgspec.structs.replace(given, warnings=warnings), filled, source, names)
    reasons = "; ".join(given.left_out) or "all have enabled = false"
    if legacy.is_set(env):
        config = _of_the_environment(env, names)
        used = f"{source}: no provider can be used ({reasons}), so {legacy.REQUIRED} and its like in the environment are"
        return msgspec.structs.replace(config, source=source, warnings=(used, *config.warnings))
    raise ConfigError([f"providers: none can be used: {reasons}; set the variables, or enable one"])


def _of_the_environment(env: Mapping[str, str], names: Names) -> Config:
    with _inside(ENVIRONMENT):
        given = legacy.convert(env, names)
        raise_for(given.problems, ENVIRONMENT)
        return _check(given, env, ENVIRONMENT, names)


def _translated(tree: Mapping[object, object], env: Mapping[str, str], names: Names, *, writing: bool = False) -> ImportResult:
    """With what the process was told beside the file, for a providers.json has no place for it."""
    beside = legacy.listening(env, names)
    try:
        given = convert(tree, env, names, writing=writing)
    except RecursionError:
        raise ConfigError(["the file is nested too deeply, or within itself; write it flat"]) from None
    raise_for((*given.problems, *beside.problems), "the file")
    return msgspec.structs.replace(given, tree={**beside.tree, **given.tree})


def _beside(tree: Mapping[object, object], env: Mapping[str, str], telling: Container[str] | None) -> tuple[str, ...]:
    """A warning, if variables that would be the configuration without this file are set and the file does not use them.

    `telling`: at least one of these must be among them, because a mere OPENAI_API_KEY is on many machines.
    """
    if not legacy.is_set(env):
        return ()
    unused = legacy.unused(env, references(dict(tree)))
    if not unused or (telling is not None and not any(name in telling for name in unused)):
        return ()
    return (f"{', '.join(unused)}: set in the environment, but the file wins; remove them, or name them in the file as ${{NAME}}",)


def _top(tree: object, source: str) -> Mapping[object, object]:
    if not isinstance(tree, dict):
        raise ConfigError([f"{source}: must hold a table at the top, got {kind(tree)}; start from `octoroute config`"])
    return cast("Mapping[object, object]", tree)


def _text_keys(tree: Mapping[object, object]) -> dict[str, object]:
    return {str(name): value for name, value in tree.items()}


def _check(given: ImportResult, env: Mapping[str, str], source: str, names: Names, *, writing: bool = False) -> Config:
    try:
        substituted = substitute(given.tree, env)
    except RecursionError:
        raise ConfigError([f"{source}: is nested too deeply, or within itself; write it flat"]) from None
    reader = ConfigReader(names, substituted.written)
    unset = {path for path, _ in substituted.problems}
    config = assemble(reader.table(FileTable, substituted.tree, ""), reader, names, source)
    forgiven = {
        path
        for path in substituted.unset
        if writing or path.startswith(tuple(_disabled(cast("Mapping[str, object]", substituted.tree))))
    }
    # What else is wrong with a value whose variable is not set is no news.
    raise_for(
        (
            *(found for found in substituted.problems if found[0] not in forgiven),
            *(found for found in reader.problems if found[0] not in unset),
        ),
        source,
    )
    if config.routing.learned.artefact is not None and not writing:
        load_artefact(config.routing.learned.artefact)  # here rather than when it is needed: `check` and a reload say what is wrong
    _load_plugins(config)
    return msgspec.structs.replace(config, warnings=(*given.warnings, *plugins.overlooked(), *config.warnings))


def _load_plugins(config: Config) -> None:
    """Those that are used. Raises ConfigError for one that cannot be."""
    used = {endpoint.kind for endpoint in (*config.endpoints, *config.embedding)} - set(KINDS)
    installed = {plugin.kind for plugin in plugins.plugin_entries()} if used else set[str]()
    for kind_ in sorted(used & installed):
        plugins.load(kind_)


def _disabled(tree: Mapping[str, object]) -> Iterator[str]:
    """Where nobody looks: the paths of providers that are not used, and of their endpoints, up to the next key."""
    off = {name for name, provider in _tables(tree.get("providers")) if str(provider.get("enabled")).lower() == "false"}
    for name in off:
        yield child("providers", name) + "."
    models = tree.get("models")
    for group, endpoints in cast("dict[str, object]", models).items() if isinstance(models, dict) else ():
        for index, endpoint in _tables(dict(enumerate(cast("list[object]", endpoints))) if isinstance(endpoints, list) else None):
            if endpoint.get("provider") in off:
                yield child(child("models", group), index) + "."


def _tables(value: object) -> list[tuple[object, dict[object, object]]]:
    """The tables among a table's values."""
    items = cast("dict[object, object]", value).items() if isinstance(value, dict) else ()
    return [(name, cast("dict[object, object]", item)) for name, item in items if isinstance(item, dict)]


def raise_for(problems: Sequence[tuple[str, str]], source: str) -> None:
    if problems:
        raise ConfigError([f"{path or source}: {text}" for path, text in problems])
