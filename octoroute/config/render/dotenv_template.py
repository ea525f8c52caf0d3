"""The template of a .env file, generated from the schemas: every variable that octoroute reads. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from octoroute.config.describe import allowed, toml
from octoroute.config.importers import legacy
from octoroute.config.schema.file import FileTable
from octoroute.config.schema.key import Field, Names, fields, tables
from octoroute.domain.option import Table

HEADING = """\
# Environment variables of octoroute. A file named .env in the current directory is read; variables of the process take
# precedence. `octoroute config` prints the template of the configuration file, which documents every key.
"""

_COLOURS = (
    ("NO_COLOR", "any value turns colours off"),
    ("FORCE_COLOR", "any value turns colours on where there is no terminal"),
)
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")

_SECTIONS: tuple[tuple[str, type[Table]], ...] = (
    ("Without a configuration file, settings of the process:", legacy.ServerVariables),
    ("Without a configuration file, the provider and its models (CUSTOM_HEADER_NAME=value adds a header):", legacy.LegacyVariables),
)


def dotenv_template(names: Names | None = None) -> str:
    return "".join(_lines(names or Names()))


def _lines(names: Names) -> Iterator[str]:
    yield HEADING
    names_written: set[str] = set()
    yield "\n# Variables that the template of the configuration file refers to as ${NAME}:\n"
    for table in tables(FileTable):
        for field in fields(table):
            for name in _VARIABLE.findall(field.key.example or ""):
                if name not in names_written:
                    names_written.add(name)
                    yield f"# {field.name}: {field.key.doc}\n#{name}=\n"
    for title, table in _SECTIONS:
        yield f"\n# {title}\n"
        for field in fields(table):
            if field.name not in names_written:
                names_written.add(field.name)
                yield _variable(field, names)
    yield "\n# Terminal:\n"
    for name, doc in _COLOURS:
        yield f"# {doc}\n#{name}=\n"


def _variable(field: Field, names: Names) -> str:
    among = allowed(field, names)
    default = "" if field.key.required or field.default is None else toml(field.default).strip('"')
    return f"# {field.key.doc}{f' ({among})' if among else ''}\n#{field.name}={default}\n"
