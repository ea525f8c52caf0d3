"""The template of a .env file, read off the schemas: every variable that octoroute reads, and nothing else. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import get_args

from octoroute.config import schema
from octoroute.config.describe import allowed, toml
from octoroute.config.importers import legacy
from octoroute.config.schema import Field, Names, Table, fields

HEADING = """\
# Environment of octoroute. A file called .env in the directory where it starts is read; what the process has already wins.
# `octoroute config` prints the configuration file's template, which says more.
"""

_COLOURS = (
    ("NO_COLOR", "anything: no colours on a terminal"),
    ("FORCE_COLOR", "anything: colours also where there is no terminal"),
)
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")

_SECTIONS: tuple[tuple[str, type[schema.Table]], ...] = (
    ("Without a configuration file, the process:", legacy.ServerVariables),
    ("Without a configuration file, the provider and its models (CUSTOM_HEADER_NAME=value adds headers):", legacy.LegacyVariables),
)


def dotenv_template(names: Names | None = None) -> str:
    return "".join(_lines(names or Names()))


def _lines(names: Names) -> Iterator[str]:
    yield HEADING
    said: set[str] = set()
    yield "\n# As the configuration file's template has them, as ${NAME}:\n"
    for table in _tables(schema.FileTable):
        for field in fields(table):
            for name in _VARIABLE.findall(field.key.example or ""):
                if name not in said:
                    said.add(name)
                    yield f"# {field.name}: {field.key.doc}\n#{name}=\n"
    for title, table in _SECTIONS:
        yield f"\n# {title}\n"
        for field in fields(table):
            if field.name not in said:
                said.add(field.name)
                yield _variable(field, names)
    yield "\n# The terminal:\n"
    for name, doc in _COLOURS:
        yield f"# {doc}\n#{name}=\n"


def _variable(field: Field, names: Names) -> str:
    among = allowed(field, names)
    default = "" if field.key.required or field.default is None else toml(field.default).strip('"')
    return f"# {field.key.doc}{f' ({among})' if among else ''}\n#{field.name}={default}\n"


def _tables(table: type[Table]) -> Iterator[type[Table]]:
    """It and all within it, once."""
    seen: list[type[Table]] = [table]
    for found in seen:
        for field in fields(found):
            seen += [inner for inner in _inner(field.hint) if inner not in seen]
    yield from seen


def _inner(hint: object) -> Iterator[type[Table]]:
    if isinstance(hint, type) and issubclass(hint, Table):
        yield hint
    for part in get_args(hint):
        yield from _inner(part)
