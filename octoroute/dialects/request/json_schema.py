"""Adapts JSON schemas of tools and response formats to what each target accepts. Pure.

Results are cached by the schema's bytes and must not be changed. A property may have the name of a keyword (`type`, `const`), so
only schemas are rewritten, never names. Schemas come from clients: their shape is checked, not assumed, and what their `$ref`s may
add is bounded for each schema and for each request.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias, cast

import msgspec

from octoroute.dialects.request.schema_cache import SchemaCache
from octoroute.dialects.request.schema_references import (
    BYTES_PER_UNIT,
    MAX_ADDED,
    MAX_DEPTH,
    SchemaBudget,
    SchemaReferences,
    TooManyNodes,
)

Schema: TypeAlias = Mapping[str, Any]

EMPTY: Schema = {"type": "object", "properties": {}}
JSON_INSTRUCTION = "Answer with one JSON object and nothing else."
"""Sent as system text where the format or the model has no parameter for JSON output."""

_MAPS_OF_SCHEMAS = ("properties", "$defs", "definitions", "patternProperties", "dependentSchemas")
_UNIONS = ("anyOf", "oneOf", "allOf")
_LISTS_OF_SCHEMAS = (*_UNIONS, "prefixItems")
_SCHEMAS = ("items", "additionalProperties", "not", "if", "then", "else", "contains", "propertyNames", "unevaluatedProperties")

_GEMINI_FORMATS = frozenset({"enum", "date-time", "int32", "int64", "float", "double"})
_OPENAPI_KEYS = (
    "title", "description", "nullable", "pattern", "minItems", "maxItems", "minimum", "maximum", "minLength", "maxLength",
    "minProperties", "maxProperties", "propertyOrdering",
)  # fmt: skip
"""Keywords that Gemini's OpenAPI subset accepts unchanged: https://ai.google.dev/api/caching#Schema."""
_GEMINI_JSON_DROPPED = ("$schema", "$id", "$comment", "examples", "propertyNames", "patternProperties")


def adapt_for_openai(schema: Schema | None) -> Schema:
    """For `function.parameters`, not strict: the top level must be an object with `properties`."""
    if not schema:
        return EMPTY
    if schema.get("type") == "object" and "properties" in schema:
        return schema
    return {**schema, "type": "object", "properties": schema.get("properties", {})}


def adapt_for_anthropic(schema: Schema | None) -> Schema:
    """For `input_schema`: the top level must be an object, not a union. The properties of a union's branches are merged."""
    if not schema:
        return EMPTY
    if schema.get("type") == "object" and not any(key in schema for key in _UNIONS):
        return schema
    return _FLAT.get(msgspec.json.encode(schema))


def adapt_for_gemini_openapi(schema: Schema | None, budget: SchemaBudget) -> Schema | None:
    """For `parameters`, which takes a subset of OpenAPI 3.0; None if there are no parameters."""
    return _within(budget, schema, _OPENAPI, _build_openapi) if schema else None


def adapt_for_gemini_json(schema: Schema | None, budget: SchemaBudget) -> Schema | None:
    """For `parametersJsonSchema`, which takes most of JSON Schema; None if there are no parameters.

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
    built = cache.get(encoded)
    if built.added > budget.left:
        built = build(encoded, budget.left)
    budget.left -= built.added
    budget.shortened += not built.complete
    return built.schema


def describe_in_words(schema: Schema) -> str:
    """The instruction to answer with JSON that fits `schema`."""
    return f"{JSON_INSTRUCTION} It must fit this JSON schema:\n{msgspec.json.encode(schema).decode()}"


def _mapping(value: object) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return cast("list[Any]", value) if isinstance(value, list) else []


def _strings(value: object) -> list[str]:
    return [item for item in _list(value) if isinstance(item, str)]


def _flatten_unions(encoded: bytes) -> Schema:
    schema = _mapping(msgspec.json.decode(encoded))
    top = {key: value for key, value in schema.items() if key not in _UNIONS}
    properties = _mapping(top.get("properties")).copy()
    required = _strings(top.get("required"))
    for union in _UNIONS:
        for branch in map(_mapping, _list(schema.get(union))):
            for name, described in _mapping(branch.get("properties")).items():
                properties.setdefault(name, described)
            if union == "allOf":
                required += _strings(branch.get("required"))
    return {**top, "type": "object", "properties": properties, **({"required": sorted(set(required))} if required else {})}


def _build_gemini_json(encoded: bytes, allowed: int = MAX_ADDED) -> _Built:
    schema = _mapping(msgspec.json.decode(encoded))
    inliner = _ReferenceInliner(schema, allowed) if b'"$ref"' in encoded else None
    cleaned = _mapping(_clean_gemini_json(schema, inliner))
    if not isinstance(cleaned.get("type"), str):
        cleaned = {**cleaned, "type": "object"}
    return _Built(cleaned, 0, complete=True) if inliner is None else _Built(cleaned, allowed - inliner.left, inliner.complete)


class _ReferenceInliner:
    """Replaces a `$ref` that has other keywords beside it by what it names: one level, whose own `$ref`s stay."""

    def __init__(self, schema: Schema, allowed: int) -> None:
        self._definitions = {**_mapping(schema.get("definitions")), **_mapping(schema.get("$defs"))}
        self.left = allowed
        self.complete = True

    def inlined(self, described: dict[str, Any], depth: int) -> dict[str, Any]:
        """`described` without its `$ref`, or without the keywords beside it where it is unknown, too deep, or too large."""
        reference = described.get("$ref")
        if not isinstance(reference, str) or all(key.startswith("$") for key in described):
            return described
        found = _mapping(self._definitions.get(reference.rpartition("/")[2]))
        cost = 1 + len(msgspec.json.encode(found)) // BYTES_PER_UNIT
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
            cleaned[key] = {name: _clean_gemini_json(inner, inliner, depth) for name, inner in _mapping(value).items()}
        elif key == "const":
            cleaned["enum"] = [value]
        elif key in {"exclusiveMinimum", "exclusiveMaximum"}:
            if isinstance(value, int | float) and not isinstance(value, bool):
                cleaned.setdefault("minimum" if key == "exclusiveMinimum" else "maximum", value)
        else:
            cleaned[key] = _clean_gemini_json(value, inliner, depth) if key in _SCHEMAS or key in _LISTS_OF_SCHEMAS else value
    return cleaned


def _build_openapi(encoded: bytes, allowed: int = MAX_ADDED) -> _Built:
    schema = _mapping(msgspec.json.decode(encoded))
    references = SchemaReferences(schema, allowed, len(encoded))
    try:
        cleaned = _convert_openapi(schema, references, 0)
    except TooManyNodes:
        return _Built({"type": "object", "properties": {}}, 0, complete=False)
    if cleaned.get("type") != "object":
        cleaned = {**cleaned, "type": "object"}
    return _Built(cleaned, references.added, references.complete)


def _convert_openapi(schema: object, references: SchemaReferences, refs: int) -> dict[str, Any]:
    references.visit()
    described = _mapping(schema)
    reference = described.get("$ref")
    if isinstance(reference, str):
        found = references.get(reference, refs)
        if found is None:
            return {"type": "object"}
        return _convert_openapi(
            {**_mapping(found), **{key: value for key, value in described.items() if key != "$ref"}}, references, refs + 1
        )
    if branches := [_convert_openapi(branch, references, refs) for branch in _list(described.get("allOf"))]:
        described = _merge_all_of(described, branches)
    cleaned = {key: described[key] for key in _OPENAPI_KEYS if key in described}
    form = described.get("format")
    if isinstance(form, str) and form in _GEMINI_FORMATS:
        cleaned["format"] = form
    _write_type(cleaned, described, references, refs)
    if "properties" in described:
        cleaned["properties"] = {
            name: _convert_openapi(inner, references, refs) for name, inner in _mapping(described["properties"]).items()
        }
        required = [name for name in _strings(described.get("required")) if name in cleaned["properties"]]
        if required:
            cleaned["required"] = required
    if cleaned.get("type") == "array":
        items = described.get("items", next(iter(_list(described.get("prefixItems"))), None))
        cleaned["items"] = _convert_openapi(items, references, refs) or {"type": "string"}
    return cleaned


def _merge_all_of(described: dict[str, Any], branches: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Merge `allOf` into the schema: properties and required names of all; of other keywords the first occurrence."""
    merged: dict[str, Any] = {}
    properties: dict[str, Any] = {}
    required: list[str] = []
    for one in (*reversed(branches), {key: value for key, value in described.items() if key != "allOf"}):
        merged |= one
        properties |= _mapping(one.get("properties"))
        required += _strings(one.get("required"))
    return {**merged, **({"properties": properties} if properties else {}), **({"required": required} if required else {})}


def _write_type(cleaned: dict[str, Any], described: Mapping[str, Any], references: SchemaReferences, refs: int) -> None:
    """Write the type as one type, `nullable`, an `enum` of strings, or `anyOf`, the subset's only forms of alternatives."""
    kind = described.get("type")
    kinds = [kind] if isinstance(kind, str) else _strings(kind)
    values = _list(described.get("enum")) or ([described["const"]] if "const" in described else [])
    branches = [_mapping(branch) for key in ("anyOf", "oneOf") for branch in _list(described.get(key))]
    if "null" in kinds or None in values or any(branch.get("type") == "null" for branch in branches):
        cleaned["nullable"] = True
    kinds = [kind for kind in kinds if kind != "null"]
    strings = _strings(values)
    if strings:
        cleaned |= {"type": "string", "enum": strings}
        return
    alternatives = [_convert_openapi(branch, references, refs) for branch in branches if branch.get("type") != "null"]
    alternatives += [{"type": kind} for kind in kinds] if len(kinds) > 1 else []
    if len(alternatives) == 1:
        cleaned |= {key: value for key, value in alternatives[0].items() if key not in cleaned}
    elif alternatives:
        cleaned["anyOf"] = alternatives
    elif kinds:
        cleaned["type"] = kinds[0]
    elif "properties" in described:
        cleaned["type"] = "object"
    elif "items" in described or "prefixItems" in described:
        cleaned["type"] = "array"


_FLAT = SchemaCache(_flatten_unions)
_GEMINI_JSON = SchemaCache(_build_gemini_json)
_OPENAPI = SchemaCache(_build_openapi)
