"""JSON schemas in Gemini's subset of OpenAPI: what the subset has no word for is left out, and nothing that it refuses is sent."""

from __future__ import annotations

import json

import pytest

from octoroute.dialects.request.openapi_subset import convert
from octoroute.dialects.request.schema_references import SchemaReferences, TooManyNodes
from tests.support.laws.work import Work


def converted(schema):
    return convert(schema, SchemaReferences(schema, 0, len(json.dumps(schema))))


NUMBERS = {"type": "array", "items": {"type": "integer"}}


@pytest.mark.parametrize(
    ("schema", "told"),
    [
        ({"anyOf": [NUMBERS, {"type": "null"}]}, {"nullable": True, **NUMBERS}),
        ({"type": ["array", "null"], "items": {"type": "integer"}}, {"nullable": True, **NUMBERS}),
        ({"type": ["array", "string"], "items": {"type": "integer"}}, {"anyOf": [NUMBERS, {"type": "string"}]}),
        (
            {"type": ["string", "object"], "properties": {"a": {"type": "string"}}, "required": ["a"]},
            {"anyOf": [{"type": "string"}, {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}]},
        ),
        ({"type": ["string", "string", "any", "null"]}, {"type": "string", "nullable": True}),
        ({"type": "STRING"}, {"type": "string"}),
        ({"type": "any"}, {}),
        ({"type": "string", "enum": ["", "a", None, 1]}, {"type": "string", "nullable": True, "enum": ["a"]}),
        ({"enum": ["a"], "properties": {"p": {}}}, {"type": "string", "enum": ["a"]}),
        (
            {"type": "object", "properties": {"a": {"type": "string"}}, "anyOf": [{"required": ["a"]}, {"required": ["b"]}]},
            {"type": "object", "properties": {"a": {"type": "string"}}},
        ),
        ({"properties": {"a": {"type": "string"}}, "required": ["a", "a", 1, "b"]}, {"type": "object", "required": ["a"]}),
    ],
)
def test_types(schema, told):
    found = converted(schema)
    assert {name: value for name, value in found.items() if name in told} == told
    assert found.keys() - told.keys() <= {"properties"}


@pytest.mark.parametrize(
    "wrong",
    [
        {"title": 1}, {"description": None}, {"pattern": ["a"]}, {"nullable": "yes"}, {"minItems": True}, {"maxLength": "many"}, {"minimum": "1"},
        {"maximum": False}, {"propertyOrdering": "a"}, {"propertyOrdering": ["a", 1]}, {"format": 1}, {"type": 1},
    ],
)  # fmt: skip
def test_a_value_of_another_type_is_left_out(wrong):
    """Gemini answers 400 to the whole request for one of them."""
    assert converted({"type": "string", **wrong}) in ({"type": "string"}, {})


@pytest.mark.parametrize(
    "leaf",
    [
        {"enum": [f"v{n}" for n in range(2000)]},
        {"properties": {"a": {}}, "required": ["a"] * 2000},
        {"propertyOrdering": [f"v{n}" for n in range(2000)]},
        {"properties": {f"p{n}": {} for n in range(2000)}},
    ],
)
def test_each_level_of_all_of_copies_lists_and_such_work_is_given_up(leaf):
    def levels(count: int) -> None:
        schema = leaf
        for _ in range(count):
            schema = {"allOf": [schema]}
        try:
            converted(schema)
        except TooManyNodes:
            assert count == 150

    few, many = (Work().of(lambda count=count: levels(count)) for count in (1, 150))
    assert many < 30 * few
