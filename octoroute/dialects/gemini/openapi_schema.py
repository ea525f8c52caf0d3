"""Schemas in Gemini's OpenAPI subset, as JSON Schema. Pure.

Source: https://ai.google.dev/api/caching#Schema. Types are in upper case, `nullable` stands for a null type, and counts may be
strings. A property may have the name of a keyword, so only schemas are rewritten, never names.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

_COUNTS = frozenset({"minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties"})
_DROPPED = frozenset({"nullable", "propertyOrdering", "property_ordering", "example"})
_CAMEL = {
    "any_of": "anyOf",
    "min_items": "minItems",
    "max_items": "maxItems",
    "min_length": "minLength",
    "max_length": "maxLength",
    "min_properties": "minProperties",
    "max_properties": "maxProperties",
}


def to_json_schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Raises RecursionError for a schema that is nested too deeply."""
    converted: dict[str, Any] = {}
    for key, value in schema.items():
        name = _CAMEL.get(key, key)
        if name in _DROPPED:
            continue
        converted[name] = _keyword(name, value)
    if schema.get("nullable") is True:
        _allow_null(converted)
    if converted.get("type") is None:
        converted.pop("type", None)
    return converted


def normalize_json_schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A JSON Schema of a client; Gemini's own command line writes its types in upper case, as in the OpenAPI subset."""
    kind = schema.get("type")
    return to_json_schema(schema) if isinstance(kind, str) and kind.isupper() else dict(schema)


def _keyword(name: str, value: Any) -> Any:
    if name == "type" and isinstance(value, str):
        return None if value == "TYPE_UNSPECIFIED" else value.lower()
    if name in _COUNTS and isinstance(value, str) and value.isascii() and value.isdigit():
        return int(value)
    if name == "properties" and isinstance(value, dict):
        return {key: _inner(inner) for key, inner in cast("dict[str, Any]", value).items()}
    if name in {"items", "additionalProperties"}:
        return _inner(value)
    if name == "anyOf" and isinstance(value, list):
        return [_inner(item) for item in cast("list[Any]", value)]
    return value


def _inner(value: Any) -> Any:
    return to_json_schema(cast("dict[str, Any]", value)) if isinstance(value, dict) else value


def _allow_null(schema: dict[str, Any]) -> None:
    kind = schema.get("type")
    if isinstance(kind, str):
        schema["type"] = [kind, "null"]
        if isinstance(schema.get("enum"), list) and None not in schema["enum"]:
            schema["enum"] = [*schema["enum"], None]
    elif isinstance(schema.get("anyOf"), list):
        schema["anyOf"] = [*schema["anyOf"], {"type": "null"}]
