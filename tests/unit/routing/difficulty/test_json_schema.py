"""The part of JSON Schema that structured answers use."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoroute.routing.difficulty.json_schema import fits


@pytest.mark.parametrize(
    ("value", "schema", "good"),
    [
        (1, {"type": "integer"}, True),
        (1.0, {"type": "integer"}, True),
        (True, {"type": "integer"}, False),
        (True, {"enum": [1]}, False),
        (None, {"type": ["string", "null"]}, True),
        ("b", {"enum": ["a", "b"]}, True),
        ("c", {"const": "b"}, False),
        ([1, 2], {"items": {"type": "integer"}, "minItems": 3}, False),
        ([1, 1], {"uniqueItems": True}, False),
        ([1, "a"], {"prefixItems": [{"type": "integer"}], "items": {"type": "string"}}, True),
        (5, {"anyOf": [{"type": "string"}, {"maximum": 4}]}, False),
        (5, {"oneOf": [{"type": "integer"}, {"minimum": 4}]}, False),
        (5, {"not": {"type": "integer"}}, False),
        (5, {"allOf": [{"minimum": 1}, {"exclusiveMaximum": 5}]}, False),
        ("abc", {"pattern": "^a.c$", "maxLength": 3}, True),
        ("abc", {"pattern": "("}, True),
        (
            {"a": {"a": {}}},
            {"$defs": {"t": {"properties": {"a": {"$ref": "#/$defs/t"}}, "type": "object"}}, "$ref": "#/$defs/t"},
            True,
        ),
        ({"a": 1}, {"$defs": {"t": {"properties": {"a": {"$ref": "#/$defs/t"}}, "type": "object"}}, "$ref": "#/$defs/t"}, False),
        ({"x": 1}, {"additionalProperties": {"type": "string"}}, False),
        ("anything", {"$ref": "https://elsewhere"}, True),
        ("anything", {"type": "unknown", "format": "email"}, True),
        (1, False, False),
    ],
)
def test_schemas(value, schema, good):
    assert fits(value, schema) is good


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["type", "items", "required", "enum", "a"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(JSON, st.dictionaries(st.sampled_from(["enum", "const", "x", "title"]), JSON, max_size=3))
def test_a_schema_of_any_shape_is_survived(value, schema):
    assert fits(value, schema) in {True, False}


def test_a_schema_that_refers_to_itself_ends():
    assert fits({"a": 1}, {"$ref": "#"}) is True


@pytest.mark.parametrize(("path", "good"), [("#/$defs/a~1b", False), ("#/$defs/c~0d", True), ("#/$defs/missing", True)])
def test_references_are_json_pointers(path, good):
    schema = {"$ref": path, "$defs": {"a/b": {"type": "string"}, "c~d": {"type": "integer"}}}
    assert fits(5, schema) is good


def test_objects_are_bounded_in_their_number_of_properties():
    assert not fits({}, {"minProperties": 1})
    assert not fits({"a": 1, "b": 2}, {"maxProperties": 1})
    assert fits({"a": 1}, {"minProperties": 1, "maxProperties": 1})
