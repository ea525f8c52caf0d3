"""Gemini's OpenAPI subset as JSON Schema."""

from __future__ import annotations

from octoroute.dialects.gemini.openapi_schema import normalize_json_schema, to_json_schema


def test_types_null_and_counts():
    schema = {
        "type": "OBJECT",
        "propertyOrdering": ["b", "a"],
        "properties": {
            "a": {"type": "STRING", "nullable": True, "enum": ["x", "y"]},
            "b": {"type": "ARRAY", "minItems": "2", "items": {"type": "INTEGER", "format": "int32"}},
            "type": {"anyOf": [{"type": "NUMBER"}, {"type": "BOOLEAN"}], "nullable": True, "example": 3},
            "any": {"type": "TYPE_UNSPECIFIED", "description": "whatever"},
        },
        "required": ["a"],
    }
    assert to_json_schema(schema) == {
        "type": "object",
        "properties": {
            "a": {"type": ["string", "null"], "enum": ["x", "y", None]},
            "b": {"type": "array", "minItems": 2, "items": {"type": "integer", "format": "int32"}},
            "type": {"anyOf": [{"type": "number"}, {"type": "boolean"}, {"type": "null"}]},
            "any": {"description": "whatever"},
        },
        "required": ["a"],
    }


def test_snake_case_keywords():
    assert to_json_schema({"type": "STRING", "max_length": "9", "any_of": [{"type": "STRING"}]}) == {
        "type": "string",
        "maxLength": 9,
        "anyOf": [{"type": "string"}],
    }


def test_a_json_schema_is_left_alone_unless_its_types_are_in_upper_case():
    plain = {"type": "object", "properties": {"a": {"type": "string", "nullable": True}}, "$defs": {"X": {"type": "string"}}}
    assert normalize_json_schema(plain) == plain
    assert normalize_json_schema({"type": "OBJECT", "properties": {"a": {"type": "STRING"}}}) == {
        "type": "object",
        "properties": {"a": {"type": "string"}},
    }
