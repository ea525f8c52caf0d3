"""Documentation and limits of configuration keys, carried by the struct that a table of the configuration is read into.

A module that obeys a table defines its struct once: `config` reads, checks, and documents the table from it. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal, TypeAlias

import msgspec

Check: TypeAlias = Callable[[str], str | None]
"""None if the text is valid, else `what is wrong; what to do`. The result never repeats the text, which may be a secret."""


class Key(msgspec.Struct, frozen=True):
    """Metadata of one key, in the `Annotated` type of its field: what the type and the default cannot say."""

    doc: str
    """One line; it becomes the comment in config.toml and the last column in docs/configuration.md."""
    low: float | None = None
    """Smallest allowed number."""
    above: float | None = None
    """The number must be greater than this."""
    high: float | None = None
    """Largest allowed number."""
    names: Literal["strategies", "kinds", "policies", "request_types", "quirks", "tiers"] | None = None
    """The set of installed names that the value must be taken from; `config.schema.key.Names` holds them."""
    check: Check | None = None
    """Applied to each text of the value."""
    check_name: Check | None = None
    """Applied to each name of a table whose names the operator chooses."""
    secret: bool = False
    """The values are never shown, wherever they come from."""
    single: bool = False
    """A text alone is read as a list of one."""
    fold: bool = False
    """Upper case is read as lower case."""
    retired: Mapping[str, str] = {}
    """Values of earlier versions, each with what became of it."""
    required: bool = False
    example: str | None = None
    """A value as TOML, where the default shows too little."""


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """Base of every struct that a table is read into. Its docstring is shown to operators.

    A field with a `Key` is a key of the table, under its msgspec name (`msgspec.field(name=...)` where the key and the attribute
    differ); a field without one is not configurable. Every field has a default.
    """
