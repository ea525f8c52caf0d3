"""The only reader of the environment, and the only place where `${NAME}` is replaced.

Values are replaced after parsing, and a replaced value is not read again: a variable cannot add a key, a table, or another
reference.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import msgspec

from octoroute.config.env_file import read_env_file

_REFERENCE = re.compile(r"\$(?:(\$)|\{([A-Za-z_][A-Za-z0-9_]*)(?::-((?:[^}$]|\$(?!\{))*))?\}|(\{))")
"""`$$`, `${NAME}`, `${NAME:-default}`, and any other `${`. A default contains none of them, so no text is replaced twice."""

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


def variables(cwd: Path | None = None) -> Mapping[str, str]:
    """The variables of the process, and those of `cwd`'s .env file that the process does not have.

    Raises ConfigError if the file cannot be read. No error holds a value.
    """
    real = os.environ  # noqa: TID251  the only place that may read it
    path = cwd / ".env" if cwd else None
    if path is None or not path.is_file():
        return real
    found = read_env_file(path, real)
    found.update(real)
    return found


def command() -> str:
    """How the user calls this program: `./run` in a clone, which sets OCTOROUTE_COMMAND, else `octoroute`."""
    return variables().get("OCTOROUTE_COMMAND") or "octoroute"


def state_directory(env: Mapping[str, str]) -> Path | None:
    """Where this user's programs keep what outlives them. None: there is no such place.

    OCTOROUTE_STATE_DIR, else systemd's STATE_DIRECTORY (StateDirectory=), else `octoroute` in the XDG state directory:
    https://specifications.freedesktop.org/basedir-spec/latest/
    """
    own = env.get("OCTOROUTE_STATE_DIR") or env.get("STATE_DIRECTORY", "").partition(":")[0]
    if own:
        return Path(own)
    base = env.get("XDG_STATE_HOME", "")
    if Path(base).is_absolute():
        return Path(base, "octoroute")
    home = env.get("HOME", "")
    return Path(home, ".local", "state", "octoroute") if Path(home).is_absolute() else None


def references(tree: object) -> frozenset[str]:
    """The names of the variables that a parsed file refers to."""
    if isinstance(tree, str):
        return frozenset(name for _, name, _, _ in _REFERENCE.findall(tree) if name)
    if isinstance(tree, dict):
        return references(list(cast("dict[object, object]", tree).values()))
    if isinstance(tree, list):
        return frozenset[str]().union(*map(references, cast("list[object]", tree)))
    return frozenset()


_METRICS_PREFIX = "octoroute-metrics-"
_LOCK = ".lock"


class MetricsDirectory:
    """A directory of files that worker processes share. It is removed with the last process that uses it, or by the next start.

    Each process that uses it holds its lock, which a fork inherits and the end of a process, however it comes, gives up.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._lock = os.open(Path(path, _LOCK), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX)

    def leave(self) -> None:
        """Remove the directory, unless another process uses it."""
        os.close(self._lock)
        _remove_unused(Path(self._path))


def share_metrics() -> MetricsDirectory:
    """Make the metrics library keep its counts in files that all worker processes share. Call before it is imported."""
    path = _directory_in_memory()
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = path  # noqa: TID251  the library has no other setting for it
    directory = MetricsDirectory(path)
    atexit.register(directory.leave)
    return directory


def _directory_in_memory() -> str:
    """In /dev/shm if possible: the library maps its files, and on a full disk a write to a mapped file raises SIGBUS."""
    for place in ("/dev/shm", tempfile.gettempdir()):  # noqa: S108 - mkdtemp makes it safe
        for old in Path(place).glob(f"{_METRICS_PREFIX}*"):
            _remove_unused(old)
        with contextlib.suppress(OSError):
            return tempfile.mkdtemp(prefix=_METRICS_PREFIX, dir=place)
    return tempfile.mkdtemp(prefix=_METRICS_PREFIX)


def _remove_unused(path: Path) -> None:
    """A directory without a lock may be another process's that is only starting, and is left alone."""
    with contextlib.suppress(OSError):
        lock = os.open(path / _LOCK, os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # OSError: it is in use
            shutil.rmtree(path, ignore_errors=True)
        finally:
            os.close(lock)


def escape(text: str) -> str:
    """Inverse of `substitute`: a string that it replaces with `text`."""
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
    """The string in the file, by the path of each value that contains a `${…}`."""
    problems: tuple[tuple[str, str], ...]
    """(path, what is wrong; what to do)"""
    unset: Mapping[str, str]
    """The variable that is not set, by the path of the value; each is also in `problems`."""


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
            self._problem(path, "contains a ${ that is not a variable; write ${NAME}, ${NAME:-default}, or $$ for a dollar sign")
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
