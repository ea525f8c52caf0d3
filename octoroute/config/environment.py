"""The only reader of the environment, and the only place where `${NAME}` is replaced.

Replacement happens on parsed values, never on a file's text, and what is put in is not looked at again: a variable's value
cannot become a key, a table, or another reference.
"""

from __future__ import annotations

import atexit
import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import msgspec

from octoroute.errors import ConfigError

_REFERENCE = re.compile(r"\$(?:(\$)|\{([A-Za-z_][A-Za-z0-9_]*)(?::-((?:[^}$]|\$(?!\{))*))?\}|(\{))")
"""`$$`, `${NAME}`, `${NAME:-default}`, and a `${` that is none of them. A default holds none of them, so no text is read twice."""

_REMARK = re.compile(r"\s#")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


def variables(cwd: Path | None = None) -> Mapping[str, str]:
    """The process's, and those of `cwd`'s .env file that the process does not have. Raises ConfigError if that cannot be read."""
    real = os.environ  # noqa: TID251  this is the one place the ban points to
    path = cwd / ".env" if cwd else None
    if path is None or not path.is_file():
        return real
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read: {error.strerror}; try `chmod u+r {path}`, or remove it"]) from error
    except UnicodeDecodeError as error:
        raise ConfigError([f"{path}: is not UTF-8 (byte {error.start + 1}); save it as UTF-8"]) from None
    return {**dotenv(text), **real}


def command() -> str:
    """How the user calls this program: `./run` in a clone, which sets OCTOROUTE_COMMAND, else `octoroute`."""
    return variables().get("OCTOROUTE_COMMAND") or "octoroute"


def dotenv(text: str) -> Mapping[str, str]:
    """`NAME=value` lines, as shells and Docker write them; quotes are taken off, ` #` begins a remark, other lines say nothing."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        name, equals, value = line.strip().removeprefix("export ").partition("=")
        if equals and is_name(name.strip()):
            found[name.strip()] = _unquoted(value.strip())
    return found


def _unquoted(text: str) -> str:
    quote = text[:1]
    end = text.find(quote, 1) if quote in {'"', "'"} else -1
    return text[1:end] if end > 0 else _REMARK.split(f" {text}", maxsplit=1)[0].strip()


def references(tree: object) -> frozenset[str]:
    """The variables that a parsed file names."""
    if isinstance(tree, str):
        return frozenset(name for _, name, _, _ in _REFERENCE.findall(tree) if name)
    if isinstance(tree, dict):
        return references(list(cast("dict[object, object]", tree).values()))
    if isinstance(tree, list):
        return frozenset[str]().union(*map(references, cast("list[object]", tree)))
    return frozenset()


def is_name(text: str) -> bool:
    """It can stand in `${…}`."""
    return _NAME.fullmatch(text) is not None


def share_metrics() -> None:
    """The metrics library keeps its counts in files for all processes of a server if it finds this when it is imported."""
    directory = _directory_in_memory("octoroute-metrics-")
    atexit.register(_remove, directory, os.getpid())
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = directory  # noqa: TID251  the library reads nothing else


def _directory_in_memory(prefix: str) -> str:
    """Where there is one. The library maps its files, and on a full disk the kernel ends whoever writes to them (SIGBUS)."""
    try:
        return tempfile.mkdtemp(prefix=prefix, dir="/dev/shm")
    except OSError:
        return tempfile.mkdtemp(prefix=prefix)


def _remove(directory: str, owner: int) -> None:
    if os.getpid() == owner:  # not in a worker, which leaves by the same door
        shutil.rmtree(directory, ignore_errors=True)


def escape(text: str) -> str:
    """What `substitute` turns back into `text`."""
    return text.replace("$", "$$")


def child(path: str, key: object) -> str:
    """The path of a table's key (text) or a list's element (number): `models.fast[0].name`."""
    if isinstance(key, int):
        return f"{path}[{key}]"
    name = str(key)
    shown = name if _BARE_KEY.fullmatch(name) else '"' + "".join(c if c.isprintable() else "?" for c in name[:100]) + '"'
    return f"{path}.{shown}" if path else shown


class SubstitutionResult(msgspec.Struct, frozen=True):
    tree: object
    written: Mapping[str, str]
    """By path, the text as the file has it, for every value that a `${…}` had a part in."""
    problems: tuple[tuple[str, str], ...]
    """(path, what is wrong; what to do)"""
    unset: Mapping[str, str]
    """By path, the variable that is not set; each is a problem too."""


def substitute(tree: object, env: Mapping[str, str]) -> SubstitutionResult:
    work = _Substitution(env)
    return SubstitutionResult(work.value(tree, ""), work.written, tuple(work.problems), work.unset)


class _Substitution:
    def __init__(self, env: Mapping[str, str]) -> None:
        self._env = env
        self.written: dict[str, str] = {}
        self.problems: list[tuple[str, str]] = []
        self.unset: dict[str, str] = {}

    def value(self, value: object, path: str) -> object:
        if isinstance(value, str):
            return _REFERENCE.sub(lambda match: self._replacement(match, value, path), value)
        if isinstance(value, dict):
            table = cast("dict[object, object]", value)
            return {key: self.value(item, child(path, str(key))) for key, item in table.items()}
        if isinstance(value, list):
            return [self.value(item, child(path, index)) for index, item in enumerate(cast("list[object]", value))]
        return value

    def _replacement(self, match: re.Match[str], text: str, path: str) -> str:
        dollar, name, default, broken = match.groups()
        if dollar:
            return "$"
        if broken:
            self._problem(path, "holds a ${ that is no variable; write ${NAME}, ${NAME:-default}, or $$ for a dollar sign")
            return ""
        self.written[path] = text
        found = self._env.get(name)
        if default is not None:
            return found or default.replace("$$", "$")
        if found is None:
            self.unset[path] = name
            self._problem(path, f"the environment variable {name} is not set; set it, or write ${{{name}:-a default}}")
        return found or ""

    def _problem(self, path: str, text: str) -> None:
        self.problems.append((path, text))
