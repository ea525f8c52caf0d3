"""JSON schemas made acceptable to each target. Pure; results are cached by the schema's hash and never mutated.

A property may be *named* like a keyword (`type`, `const`): only schema positions are rewritten, never names.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias, cast

import msgspec

Schema: TypeAlias = Mapping[str, Any]

EMPTY: Schema = {"type": "object", "properties": {}}
_MAX_DEPTH = 12
"""How far `$ref`s are followed; deeper (recursive) ones become any value."""
_CACHED = 512

_MAPS_OF_SCHEMAS = ("properties", "$defs", "definitions", "patternProperties", "dependentSchemas")
_LISTS_OF_SCHEMAS = ("anyOf", "oneOf", "allOf", "prefixItems")
_SCHEMAS = ("items", "additionalProperties", "not", "if", "then", "else", "contains", "propertyNames", "unevaluatedProperties")

_GEMINI_FORMATS = frozenset({"enum", "date-time", "int32", "int64", "float", "double"})
_GEMINI_KEPT = frozenset(
    {
        "type", "title", "description", "nullable", "enum", "format", "items", "properties", "required", "minItems", "maxItems",
        "minimum", "maximum", "minLength", "maxLength", "pattern", "minProperties", "maxProperties", "anyOf", "default",
        "propertyOrdering",
    }
)  # fmt: skip
"""The OpenAPI subset of Gemini's `parameters`: https://ai.google.dev/api/caching#Schema."""


def _cached(clean: Callable[[Schema], Schema]) -> Callable[[Schema], Schema]:
    kept: OrderedDict[bytes, Schema] = OrderedDict()

    def cleaned(schema: Schema) -> Schema:
        key = msgspec.json.encode(schema, order="sorted")
        found = kept.get(key)
        if found is None:
            found = kept[key] = clean(schema)
            if len(kept) > _CACHED:
                kept.popitem(last=False)
        return found

    return cleaned


def for_openai(schema: Schema | None) -> Schema:
    """Non-strict: permissive, but the top level must be an object with properties."""
    if not schema:
        return EMPTY
    if schema.get("type") == "object" and "properties" in schema:
        return schema
    return {
        "type": "object",
        "properties": {},
        **{key: value for key, value in schema.items() if key != "type" or value == "object"},
    }


def is_strict(schema: object) -> bool:
    """Whether OpenAI's strict mode accepts it: every object closed, every property required."""
    if isinstance(schema, list):
        return all(is_strict(item) for item in cast("list[object]", schema))
    if not isinstance(schema, Mapping):
        return True
    described = cast("Schema", schema)
    properties: Any = described.get("properties")
    if described.get("type") == "object" or isinstance(properties, Mapping):
        named = set(cast("Mapping[str, Any]", properties or {}))
        required: Any = described.get("required")
        demanded = set(cast("list[str]", required)) if isinstance(required, list) else set[str]()
        if described.get("additionalProperties") is not False or named != demanded:
            return False
    return all(is_strict(inner) for inner in _inner(described))


def _inner(schema: Schema) -> list[object]:
    found: list[object] = []
    for key in _MAPS_OF_SCHEMAS:
        value: Any = schema.get(key)
        if isinstance(value, Mapping):
            found += cast("Mapping[str, object]", value).values()
    for key in (*_LISTS_OF_SCHEMAS, *_SCHEMAS):
        value = schema.get(key)
        if isinstance(value, list):
            found += cast("list[object]", value)
        elif value is not None:
            found.append(value)
    return found
