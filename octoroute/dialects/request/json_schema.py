"""Adapts JSON schemas of tools and response formats to what each target accepts. Pure.

Results are cached by the schema's bytes and must not be changed. A property may have the name of a keyword (`type`, `const`), so
only schemas are rewritten, never names. Schemas come from clients: their shape is checked, not assumed, and what their `$ref`s may
add is bounded for each schema and for each request.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeAlias, cast

import msgspec

from octoroute.dialects.request.openapi_subset import convert
from octoroute.dialects.request.schema_cache import SchemaCache
from octoroute.dialects.request.schema_references import (
    MAX_ADDED,
    MAX_DEPTH,
    SchemaBudget,
    SchemaReferences,
    TooManyNodes,
    definitions_of,
    inline_root,
    items_of,
    mapping_of,
    name_of,
    strings_of,
    weight_of,
)

Schema: TypeAlias = Mapping[str, Any]

EMPTY: Schema = {"type": "object", "properties": {}}
JSON_INSTRUCTION = "Answer with one JSON object and nothing else."
"""Sent as system text where the format or the model has no parameter for JSON output."""

_NONE: Schema = {}

_MAPS_OF_SCHEMAS = ("properties", "$defs", "definitions", "patternProperties", "dependentSchemas")
_UNIONS = ("anyOf", "oneOf", "allOf")
_LISTS_OF_SCHEMAS = (*_UNIONS, "prefixItems")
_SCHEMAS = ("items", "additionalProperties", "not", "if", "then", "else", "contains", "propertyNames", "unevaluatedProperties")

_GEMINI_JSON_DROPPED = ("$schema", "$id", "$comment", "examples", "propertyNames", "patternProperties")


def adapt_for_openai(schema: Schema | None) -> Schema:
    """For `function.parameters`, not strict: the top level must be an object with `properties`."""
    if not schema:
        return EMPTY
    if "$ref" in schema:
        schema = inline_root(schema)
    properties = schema.get("properties")
    if schema.get("type") == "object" and isinstance(properties, dict):
        return schema
    return {**schema, "type": "object", "properties": mapping_of(properties)}


def adapt_for_anthropic(schema: Schema | None) -> Schema:
    """For `input_schema`: the top level must be an object, not a union. The properties of a union's branches are merged."""
    if not schema:
        return EMPTY
    if schema.get("type") == "object" and not any(key in schema for key in (*_UNIONS, "$ref")):
        properties = schema.get("properties", _NONE)
        return schema if isinstance(properties, dict) else {**schema, "properties": {}}
    return _FLAT.get(msgspec.json.encode(schema))


def adapt_for_gemini_openapi(schema: Schema | None, budget: SchemaBudget) -> Schema | None:
    """For `parameters` and `responseSchema`, which take a subset of OpenAPI 3.0; None if there is no schema."""
    return _within(budget, schema, _OPENAPI, _build_openapi) if schema else None


def adapt_for_gemini_json(schema: Schema | None, budget: SchemaBudget) -> Schema | None:
    """For `parametersJsonSchema` and `responseJsonSchema`, which take most of JSON Schema; None if there is no schema.

    A `$ref` there has no other keywords beside it, so that one which has some is replaced by what it names.
    """
    return _within(budget, schema, _GEMINI_JSON, _build_gemini_json) if schema else None


class _Built(NamedTuple):
    schema: Schema
    added: int
    """Units of the budget that the followed `$ref`s have taken."""
    complete: bool
    """No reference was left out."""


def _within(budget: SchemaBudget, schema: Schema, cache: SchemaCache[_Built], build: Callable[[bytes, int], _Built]) -> Schema:
    """From the cache, unless the request's budget is too small for what stands there."""
    encoded = msgspec.json.encode(schema)
    built = cache.find(encoded)
    if built is None or built.added > budget.left:
        allowed = min(MAX_ADDED, budget.left)
        built = build(encoded, allowed)
        if built.complete or allowed == MAX_ADDED:  # more would not have changed it
            cache.keep(encoded, built)
    budget.left -= built.added
    budget.shortened += not built.complete
    return built.schema


def describe_in_words(schema: Schema) -> str:
    """The instruction to answer with JSON that fits `schema`."""
    return f"{JSON_INSTRUCTION} It must fit this JSON schema:\n{msgspec.json.encode(schema).decode()}"


def _flatten_unions(encoded: bytes) -> Schema:
    schema = inline_root(mapping_of(msgspec.json.decode(encoded)))
    definitions = definitions_of(schema)
    top = {key: value for key, value in schema.items() if key not in _UNIONS}
    properties = mapping_of(top.get("properties")).copy()
    required = set(strings_of(top.get("required")))
    for union in _UNIONS:
        seen: set[str] = set()
        for given in map(mapping_of, items_of(schema.get(union))):
            branch = given
            reference = given.get("$ref")
            if isinstance(reference, str):
                name = name_of(reference)
                if name in seen:
                    continue
                seen.add(name)
                branch = mapping_of(definitions.get(name))
            for name, described in mapping_of(branch.get("properties")).items():
                properties.setdefault(name, described)
            if union == "allOf":
                required.update(strings_of(branch.get("required")))
    return {**top, "type": "object", "properties": properties, **({"required": sorted(required)} if required else {})}


def _build_gemini_json(encoded: bytes, allowed: int = MAX_ADDED) -> _Built:
    schema = inline_root(mapping_of(msgspec.json.decode(encoded)))
    inliner = _ReferenceInliner(schema, allowed) if b'"$ref"' in encoded else None
    cleaned = mapping_of(_clean_gemini_json(schema, inliner))
    if not isinstance(cleaned.get("type"), str):
        cleaned = {**cleaned, "type": "object"}
    return _Built(cleaned, 0, complete=True) if inliner is None else _Built(cleaned, allowed - inliner.left, inliner.complete)


class _ReferenceInliner:
    """Replaces a `$ref` that has other keywords beside it by what it names: one level, whose own `$ref`s stay."""

    def __init__(self, schema: Schema, allowed: int) -> None:
        self._definitions = definitions_of(schema)
        self._costs: dict[str, int] = {}
        self.left = allowed
        self.complete = True

    def inlined(self, described: dict[str, Any], depth: int) -> dict[str, Any]:
        """`described` without its `$ref`, or without the keywords beside it where it is unknown, too deep, or too large."""
        reference = described.get("$ref")
        if not isinstance(reference, str):
            return {key: value for key, value in described.items() if key != "$ref"}
        if all(key.startswith("$") for key in described):
            return described
        name = name_of(reference)
        found = mapping_of(self._definitions.get(name))
        cost = self._costs.get(name)
        if cost is None:
            cost = self._costs[name] = weight_of(found)
        if not found or "$ref" in found or depth >= MAX_DEPTH or cost > self.left:
            self.complete = False
            return {"$ref": reference}
        self.left -= cost
        return {**found, **{key: value for key, value in described.items() if key != "$ref"}}


def _clean_gemini_json(schema: object, inliner: _ReferenceInliner | None, depth: int = 0) -> object:
    """`depth`: of the inlined references around `schema`."""
    if isinstance(schema, list):
        return [_clean_gemini_json(item, inliner, depth) for item in cast("list[object]", schema)]
    if not isinstance(schema, dict):
        return schema
    described = cast("dict[str, Any]", schema)
    if inliner is not None and "$ref" in described:
        described = inliner.inlined(described, depth)
        depth += 1
    cleaned: dict[str, Any] = {}
    for key, value in described.items():
        if key in _GEMINI_JSON_DROPPED:
            continue
        if key in _MAPS_OF_SCHEMAS:
            cleaned[key] = {name: _clean_gemini_json(inner, inliner, depth) for name, inner in mapping_of(value).items()}
        elif key == "const":
            cleaned["enum"] = [value]
        elif key in {"exclusiveMinimum", "exclusiveMaximum"}:
            if isinstance(value, int | float) and not isinstance(value, bool):
                cleaned.setdefault("minimum" if key == "exclusiveMinimum" else "maximum", value)
        else:
            cleaned[key] = _clean_gemini_json(value, inliner, depth) if key in _SCHEMAS or key in _LISTS_OF_SCHEMAS else value
    return cleaned


def _build_openapi(encoded: bytes, allowed: int = MAX_ADDED) -> _Built:
    described = mapping_of(msgspec.json.decode(encoded))
    schema = inline_root(described)
    references = SchemaReferences(schema, allowed, len(msgspec.json.encode(schema)) if "$ref" in described else len(encoded))
    try:
        cleaned = convert(schema, references)
    except TooManyNodes:
        return _Built({"type": "object", "properties": {}}, 0, complete=False)
    if "type" not in cleaned:
        cleaned = {**cleaned, "type": "object"}
    return _Built(cleaned, references.added, references.complete)


_FLAT = SchemaCache(_flatten_unions)
_GEMINI_JSON = SchemaCache(_build_gemini_json)
_OPENAPI = SchemaCache(_build_openapi)
