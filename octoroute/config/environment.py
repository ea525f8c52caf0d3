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
from typing import cast

import msgspec

_REFERENCE = re.compile(r"\$(?:(\$)|\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}|(\{))")
"""`$$`, `${NAME}`, `${NAME:-default}`, and a `${` that is none of them."""

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


def variables() -> Mapping[str, str]:
    return os.environ  # noqa: TID251  this is the one place the ban points to


def share_metrics() -> None:
    """The metrics library keeps its counts in files for all processes of a server if it finds this when it is imported."""
    directory = tempfile.mkdtemp(prefix="octoroute-metrics-")
    atexit.register(_remove, directory, os.getpid())
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = directory  # noqa: TID251  the library reads nothing else


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


class Substituted(msgspec.Struct, frozen=True):
    tree: object
    written: Mapping[str, str]
    """By path, the text as the file has it, for every value that a `${…}` had a part in."""
    problems: tuple[tuple[str, str], ...]
    """(path, what is wrong; what to do)"""


def substitute(tree: object, env: Mapping[str, str]) -> Substituted:
    work = _Substitution(env)
    return Substituted(work.value(tree, ""), work.written, tuple(work.problems))


class _Substitution:
    def __init__(self, env: Mapping[str, str]) -> None:
        self._env = env
        self.written: dict[str, str] = {}
        self.problems: list[tuple[str, str]] = []

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
        if broken or "${" in (default or ""):
            self._problem(path, "holds a ${ that is no variable; write ${NAME}, ${NAME:-default}, or $$ for a dollar sign")
            return ""
        self.written[path] = text
        found = self._env.get(name)
        if default is not None:
            return found or default.replace("$$", "$")
        if found is None:
            self._problem(path, f"the environment variable {name} is not set; set it, or write ${{{name}:-a default}}")
        return found or ""

    def _problem(self, path: str, text: str) -> None:
        self.problems.append((path, text))
