"""Bounds what the `$ref`s of a JSON schema add when they are replaced by what they name. Pure.

One `$ref` can multiply the others: a schema of 700 bytes may stand for millions of nodes. How much each depth would add is counted
before anything is built, bottom-up over the definitions and in time linear in the schema; then the largest depth that the budget
allows is taken. Deeper references become `{"type": "object"}`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, cast

import msgspec

MAX_DEPTH = 6
"""Levels of nested `$ref`s that are followed at most."""
MAX_ADDED = 4_000
"""Units that the `$ref`s of one schema may add; see `weight_of`."""
MAX_ADDED_PER_REQUEST = 8_000
BYTES_PER_UNIT = 16
"""So that neither many small nodes nor long enumerations and descriptions, which are copied with their node, come cheap."""


class SchemaBudget:
    """What the `$ref`s of one request's schemas may still add, in units."""

    __slots__ = ("left", "shortened")

    def __init__(self, units: int = MAX_ADDED_PER_REQUEST) -> None:
        self.left = units
        self.shortened = 0
        """Schemas of which deep references were left out."""


class TooManyNodes(Exception):
    """A schema makes more work than its size accounts for: `allOf` in `allOf`, each of whose levels is merged again."""


class SchemaReferences:
    """Resolves the `$ref`s within one schema, to a depth that fits `allowed` units, and counts the nodes that are visited."""

    def __init__(self, schema: Mapping[str, Any], allowed: int, size: int) -> None:
        """`size`: of the encoded schema, in bytes."""
        self._definitions = definitions_of(schema)
        root = {key: value for key, value in schema.items() if key not in {"definitions", "$defs"}}
        self.depth, self.added, self.complete = _affordable(root, self._definitions, allowed)
        self._visits_left = 50 + size // 3 + self.added * BYTES_PER_UNIT // 3

    def visit(self, nodes: int = 1) -> None:
        """Count nodes. Raises TooManyNodes."""
        self._visits_left -= nodes
        if self._visits_left < 0:
            raise TooManyNodes

    def get(self, reference: str, depth: int) -> object | None:
        """The schema that `reference` names, met `depth` references deep; None if it is unknown or too deep."""
        return self._definitions.get(name_of(reference)) if depth < self.depth else None


def _affordable(root: Mapping[str, Any], definitions: Mapping[str, Any], allowed: int) -> tuple[int, int, bool]:
    """(depth, units that it adds, whether a larger depth would add nothing)."""
    references = _references(root)
    if not references or not definitions:
        return MAX_DEPTH, 0, True
    inner = {name: _references(definition) for name, definition in definitions.items()}
    weights = {name: weight_of(definition) for name, definition in definitions.items()}
    sizes = dict.fromkeys(definitions, 0)
    depth = added = 0
    for _ in range(MAX_DEPTH):
        # A sum may grow beyond all use for a schema that no budget allows: it is cut where it is too large anyway.
        sizes = {name: min(allowed + 1, weights[name] + _total(inner[name], sizes)) for name in definitions}
        following = _total(references, sizes)
        if following > allowed:
            return depth, added, False
        if depth and following == added:
            return depth, added, True
        depth, added = depth + 1, following
    return depth, added, False


def _total(references: Mapping[str, int], sizes: Mapping[str, int]) -> int:
    return sum(count * sizes.get(name, 0) for name, count in references.items())


def weight_of(definition: object) -> int:
    return 1 + len(msgspec.json.encode(definition)) // BYTES_PER_UNIT


def _references(schema: object) -> Counter[str]:
    """How often each definition is referred to, at any place of `schema`."""
    found: Counter[str] = Counter()
    pending = [schema]
    while pending:
        value = pending.pop()
        if isinstance(value, list):
            pending.extend(cast("list[object]", value))
        elif isinstance(value, dict):
            described = cast("dict[str, object]", value)
            reference = described.get("$ref")
            if isinstance(reference, str):
                found[name_of(reference)] += 1
            pending.extend(described.values())
    return found


def name_of(reference: str) -> str:
    """The definition that a `$ref` names."""
    return reference.rpartition("/")[2]


def mapping_of(value: object) -> dict[str, Any]:
    """`value`, or nothing if it is not an object."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def items_of(value: object) -> list[Any]:
    """`value`, or nothing if it is not an array."""
    return cast("list[Any]", value) if isinstance(value, list) else []


def strings_of(value: object) -> list[str]:
    """The texts in `value`, which may be anything."""
    return [item for item in items_of(value) if isinstance(item, str)]


def definitions_of(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {**mapping_of(schema.get("definitions")), **mapping_of(schema.get("$defs"))}


def inline_root(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """`schema` with what its own `$ref` names in its place. No endpoint takes a reference as the whole schema."""
    definitions = definitions_of(schema) if "$ref" in schema else {}
    for _ in range(MAX_DEPTH):
        if "$ref" not in schema:
            return schema
        reference = schema["$ref"]
        found = mapping_of(definitions.get(name_of(reference))) if isinstance(reference, str) else {}
        schema = {**found, **{key: value for key, value in schema.items() if key != "$ref"}}
    return {key: value for key, value in schema.items() if key != "$ref"}
