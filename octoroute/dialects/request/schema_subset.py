"""Fits JSON schemas to the subsets that vendors enforce while they generate: Anthropic's, and OpenAI's strict mode. Pure.

A constraint that the subset lacks moves into the description of its node, where the model reads it. A schema whose meaning
the subset cannot hold (an object with free keys, recursion at Anthropic) is not fitted: the caller asks for JSON in another way.
Sources: Anthropic, "Structured outputs", and `transform_schema` of its SDK; OpenAI, "Structured model outputs", and
`to_strict_json_schema` of its SDK.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, cast

import msgspec

from octoroute.dialects.request.schema_cache import SchemaCache
from octoroute.dialects.request.schema_references import weight_of
from octoroute.dialects.request.subset_rules import ANTHROPIC, CONSTRAINTS, FREE_KEYS, OPENAI, STRUCTURE, TYPES, SubsetRules

Schema = Mapping[str, Any]

MAX_SCHEMA_BYTES = 64 * 1024
"""Larger schemas are not fitted: vendors refuse them as well, and each node takes some microseconds."""
MAX_HINT_CHARS = 400
"""Of one constraint that moves into a description."""
_BYTES_PER_NODE = 8
"""Fewer than any node takes, so that only what `allOf` refers to can make more nodes than the schema's size allows."""
_MAX_ADDED_NODES = 2_000
_MAX_ALL_OF_DEPTH = 8


class SubsetFit(NamedTuple):
    """`schema` is None if the subset cannot hold the meaning; `why` says so. `changes`: keywords that are no longer enforced."""

    schema: Schema | None
    changes: tuple[str, ...] = ()
    why: str = ""


def fit_anthropic(schema: Schema) -> SubsetFit:
    """For `output_config.format` and strict tools of Claude models."""
    return _ANTHROPIC.get(msgspec.json.encode(schema))


def fit_openai(schema: Schema) -> SubsetFit:
    """For `strict: true`. Optional properties have no form there."""
    return _OPENAI.get(msgspec.json.encode(schema))


class _NotExpressible(Exception):
    """The subset cannot hold the schema; the text says why."""


class _Fitter:
    """Rewrites one schema: each node once, and what `allOf` refers to as often as `_MAX_ADDED_NODES` allows."""

    def __init__(self, schema: dict[str, Any], rules: SubsetRules, size: int) -> None:
        self._rules = rules
        self._definitions = {**_mapping(schema.get("definitions")), **_mapping(schema.get("$defs"))}
        self._nodes_left = size // _BYTES_PER_NODE + _MAX_ADDED_NODES
        self._optional = self._unions = self._properties = 0
        self._references: dict[str, set[str]] = {"": set()}
        """The definitions that each definition refers to; "" is the top level."""
        self._within = ""
        self.changes: set[str] = set()

    def fit(self, schema: dict[str, Any]) -> dict[str, Any]:
        rules = self._rules
        fitted = self._node(schema)
        if rules.object_root and fitted.get("type") != "object":
            raise _NotExpressible("the top level is not an object")
        definitions: dict[str, Any] = {}
        pending = list(self._references[""])
        while pending:
            name = pending.pop()
            if name not in definitions:
                self._within = name
                self._references[name] = set()
                definitions[name] = self._node(self._definitions[name])
                pending += self._references[name]
        if not rules.recursion and _is_circular(self._references):
            raise _NotExpressible("it is recursive")
        if self._optional > rules.max_optional or self._unions > rules.max_unions:
            raise _NotExpressible("it has too many optional properties or unions")
        if self._properties > rules.max_properties:
            raise _NotExpressible("it has too many properties")
        return {**fitted, "$defs": definitions} if definitions else fitted

    def _count(self, nodes: int = 1) -> None:
        self._nodes_left -= nodes
        if self._nodes_left < 0:
            raise _NotExpressible("its allOf repeats too much")

    def _node(self, schema: object) -> dict[str, Any]:
        self._count()
        if not isinstance(schema, dict):
            raise _NotExpressible("a part of it allows any value")
        described = self._merged(cast("dict[str, Any]", schema))
        reference = described.get("$ref")
        if isinstance(reference, str):
            return {"$ref": self._reference(reference)}
        fitted: dict[str, Any] = {}
        self._type(fitted, described)
        hints = self._constraints(fitted, described)
        words = [text for text in (described.get("description"), "; ".join(hints)) if isinstance(text, str) and text]
        if words:
            fitted["description"] = "\n\n".join(words)
        if isinstance(described.get("title"), str):
            fitted["title"] = described["title"]
        return fitted

    def _reference(self, reference: str) -> str:
        if reference == "#" and self._rules.recursion:
            return reference
        head, _, name = reference.rpartition("/")
        if head not in {"#/$defs", "#/definitions"} or name not in self._definitions:
            raise _NotExpressible("it refers to something outside of its definitions")
        self._references[self._within].add(name)
        return f"#/$defs/{name}"

    def _merged(self, described: dict[str, Any], depth: int = 0) -> dict[str, Any]:
        """The node with its `allOf` merged into it, because closed objects cannot be combined."""
        branches = _list(described.get("allOf"))
        if not branches:
            return described
        rest = {key: value for key, value in described.items() if key != "allOf"}
        if len(branches) == 1 and "$ref" in _mapping(branches[0]) and not rest.keys() & (STRUCTURE | CONSTRAINTS):
            return _mapping(branches[0])
        if depth >= _MAX_ALL_OF_DEPTH:
            raise _NotExpressible("its allOf is nested too deeply")
        merged: dict[str, Any] = {"properties": {}, "required": []}
        for branch in (*branches, rest):
            self._count()
            _merge(merged, self._merged(self._resolved(branch), depth + 1))
        return {key: value for key, value in merged.items() if value or key not in {"properties", "required"}}

    def _resolved(self, branch: object) -> dict[str, Any]:
        described = _mapping(branch)
        reference = described.get("$ref")
        if not isinstance(reference, str):
            return described
        self._reference(reference)
        found = self._definitions.get(reference.rpartition("/")[2])
        self._count(weight_of(found))
        return {**_mapping(found), **{key: value for key, value in described.items() if key != "$ref"}}

    def _type(self, fitted: dict[str, Any], described: dict[str, Any]) -> None:
        kinds = _kinds(described)
        branches = _list(described.get("anyOf")) or _list(described.get("oneOf"))
        values = described.get("enum")
        if isinstance(values, list):
            fitted["enum"] = _primitives(cast("list[object]", values))
        if "const" in described:
            fitted["const"] = _primitives([described["const"]])[0]
        if branches:
            self._unions += 1
            if "properties" in described:
                raise _NotExpressible("an object in it is a union and has properties of its own")
            fitted["anyOf"] = [self._node(branch) for branch in branches]
            return
        if kinds:
            self._unions += len(kinds) > 1
            fitted["type"] = kinds[0] if len(kinds) == 1 else kinds
        elif not fitted:
            raise _NotExpressible("a part of it allows any value")
        if "object" in kinds:
            self._object(fitted, described)
        if "array" in kinds and "items" in described:
            fitted["items"] = self._node(described["items"])
        elif "array" in kinds and self._rules.all_required:
            raise _NotExpressible("an array in it allows any items")

    def _object(self, fitted: dict[str, Any], described: dict[str, Any]) -> None:
        properties = _mapping(described.get("properties"))
        extra = described.get("additionalProperties")
        if (isinstance(extra, dict) and extra) or (extra is not False and not properties):
            raise _NotExpressible("an object in it has free keys")
        if extra is not False:
            self.changes.add("additionalProperties")
        names = [name for name in _list(described.get("required")) if isinstance(name, str) and name in properties]
        required = list(dict.fromkeys(names))
        optional = len(properties) - len(required)
        if optional and self._rules.all_required:
            raise _NotExpressible("it has optional properties")
        self._optional += optional
        self._properties += len(properties)
        fitted["properties"] = {name: self._node(inner) for name, inner in properties.items()}
        if required or self._rules.all_required:
            fitted["required"] = required
        fitted["additionalProperties"] = False

    def _constraints(self, fitted: dict[str, Any], described: dict[str, Any]) -> list[str]:
        """Write the constraints that the subset has, and return the others in words."""
        hints: list[str] = []
        for key in FREE_KEYS:
            if key in described:
                raise _NotExpressible(f"it has {key}")
        for key, value in described.items():
            if key == "default" and value is not None:
                hints.append(_hint(key, value))
            if key not in CONSTRAINTS:
                continue
            if self._has(key, value):
                fitted[key] = value
            else:
                self.changes.add(key)
                hints.append(_hint(key, value))
        return hints

    def _has(self, key: str, value: object) -> bool:
        if key == "format":
            return isinstance(value, str) and value in self._rules.formats
        if key == "minItems":
            return isinstance(value, int) and value <= self._rules.max_min_items
        return key in self._rules.constraints


def _hint(key: str, value: object) -> str:
    return f"{key}: {msgspec.json.encode(value).decode()[:MAX_HINT_CHARS]}"


def _merge(merged: dict[str, Any], described: dict[str, Any]) -> None:
    """Add one branch of an `allOf`: properties and required names of all; of another keyword the last one counts."""
    closed = merged.get("additionalProperties") is False
    merged["properties"].update(_mapping(described.get("properties")))
    merged["required"] += _list(described.get("required"))
    merged.update((key, value) for key, value in described.items() if key not in {"properties", "required"})
    if closed:
        merged["additionalProperties"] = False


def _kinds(described: dict[str, Any]) -> list[str]:
    kind = described.get("type")
    kinds = [kind] if isinstance(kind, str) else [item for item in _list(kind) if isinstance(item, str)]
    if not kinds and "properties" in described:
        kinds = ["object"]
    if not kinds and "items" in described:
        kinds = ["array"]
    if any(item not in TYPES for item in kinds):
        raise _NotExpressible("it has an unknown type")
    if described.get("nullable") is True and kinds and "null" not in kinds:
        kinds = [*kinds, "null"]
    return kinds


def _primitives(values: list[object]) -> list[object]:
    if not values or not all(value is None or isinstance(value, str | int | float) for value in values):
        raise _NotExpressible("it has an enum of objects")
    return values


def _is_circular(references: Mapping[str, set[str]]) -> bool:
    """True if a definition leads back to itself: those that lead nowhere are taken away until none is left that does."""
    waiting = {name: len(named) for name, named in references.items()}
    users: dict[str, list[str]] = {}
    for name, named in references.items():
        for other in named:
            users.setdefault(other, []).append(name)
    done = [name for name, named in references.items() if not named]
    finished = 0
    while done:
        finished += 1
        for user in users.get(done.pop(), ()):
            waiting[user] -= 1
            if not waiting[user]:
                done.append(user)
    return finished < len(references)


def _mapping(value: object) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return cast("list[Any]", value) if isinstance(value, list) else []


def _build(encoded: bytes, rules: SubsetRules) -> SubsetFit:
    if len(encoded) > MAX_SCHEMA_BYTES:
        return SubsetFit(None, why="it is too large")
    schema = _mapping(msgspec.json.decode(encoded))
    fitter = _Fitter(schema, rules, len(encoded))
    try:
        fitted = fitter.fit(schema)
    except _NotExpressible as error:
        return SubsetFit(None, why=str(error))
    return SubsetFit(fitted, tuple(sorted(fitter.changes)))


_ANTHROPIC = SchemaCache(lambda encoded: _build(encoded, ANTHROPIC), max_entry_bytes=MAX_SCHEMA_BYTES)
_OPENAI = SchemaCache(lambda encoded: _build(encoded, OPENAI), max_entry_bytes=MAX_SCHEMA_BYTES)
