"""Keys of a table, read off its struct: a field is the key, its type hint the type, its default the default, `Key` the rest.

Validation, the template, and docs/configuration.md share this one description.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import get_args, get_type_hints

import msgspec

from octoroute.balancing.policies import POLICIES
from octoroute.dialects.openai.compat import PRESETS
from octoroute.domain.endpoint import Tier
from octoroute.domain.option import Key, Table
from octoroute.routing.rules import REQUEST_TYPES
from octoroute.routing.strategies import STRATEGIES
from octoroute.upstream.providers import plugins


class Names(msgspec.Struct, frozen=True, kw_only=True):
    """The values that keys with `Key.names` may have: what is built in, and what plug-ins add."""

    strategies: tuple[str, ...] = tuple(STRATEGIES)
    kinds: tuple[str, ...] = msgspec.field(default_factory=plugins.kinds)
    policies: tuple[str, ...] = tuple(POLICIES)
    quirks: tuple[str, ...] = tuple(PRESETS)
    request_types: tuple[str, ...] = tuple(REQUEST_TYPES)
    tiers: tuple[str, ...] = tuple(tier.value for tier in Tier)
    """Those of every kind of model; a router chooses only among the first three."""


class Field(msgspec.Struct, frozen=True):
    """One key of a table."""

    name: str
    """As the operator writes it."""
    attribute: str
    """The struct's field that holds the value."""
    hint: object
    """The bare type, without `Annotated`."""
    key: Key
    default: object


@functools.cache
def fields(table: type[Table]) -> tuple[Field, ...]:
    """The keys of a table, in the order of its struct, inherited ones last. Fields without a `Key` are left out."""
    hints = get_type_hints(table, include_extras=True)
    found: list[Field] = []
    depths = [frozenset(vars(base).get("__annotations__", ())) for base in table.__mro__]
    for field in sorted(
        msgspec.structs.fields(table), key=lambda field: next(at for at, names in enumerate(depths) if field.name in names)
    ):
        annotated = hints[field.name]
        key = next((item for item in getattr(annotated, "__metadata__", ()) if isinstance(item, Key)), None)
        if key is not None:
            default = field.default_factory() if callable(field.default_factory) else field.default
            found.append(Field(field.encode_name, field.name, annotated.__origin__, key, default))
    return tuple(found)


def tables(root: type[Table]) -> tuple[type[Table], ...]:
    """`root` and every table inside it, each once, outer tables first."""
    found: list[type[Table]] = [root]
    for table in found:
        for field in fields(table):
            found += [inner for inner in _tables_in(field.hint) if inner not in found]
    return tuple(found)


def _tables_in(hint: object) -> Iterator[type[Table]]:
    if isinstance(hint, type) and issubclass(hint, Table):
        yield hint
    for part in get_args(hint):
        yield from _tables_in(part)
