"""JSON schemas adapted to each target."""

from __future__ import annotations

import json

import pytest

from octoroute.dialects.request.json_schema import adapt_for_gemini_json, adapt_for_gemini_openapi
from tests.support.dialects.chat_to_messages_request import ask, user
from tests.support.dialects.gemini import SCHEMA


def test_a_schema_whose_top_is_a_union():
    union = {"anyOf": [{"type": "object", "properties": {"a": {}}, "required": ["a"]}, {"type": "object", "properties": {"b": {}}}]}
    schema = ask(user("a"), tools=[{"type": "function", "function": {"name": "f", "parameters": union}}])["tools"][0][
        "input_schema"
    ]
    assert schema == {"type": "object", "properties": {"a": {}, "b": {}}}


def keywords(schema):
    for key, value in schema.items():
        if key == "properties":
            for inner in value.values():
                yield from keywords(inner)
            continue
        yield key
        for inner in value if isinstance(value, list) else [value]:
            if isinstance(inner, dict):
                yield from keywords(inner)


def test_p87_the_openapi_subset():
    cleaned = adapt_for_gemini_openapi(SCHEMA)
    allowed = {"type", "description", "nullable", "enum", "format", "items", "required", "anyOf", "minimum"}
    assert set(keywords(cleaned)) <= allowed
    properties = cleaned["properties"]
    assert set(properties) == set(SCHEMA["properties"])
    assert properties["type"] == {"type": "string", "nullable": True}
    assert properties["const"] == {"type": "string", "enum": ["only"]}
    assert properties["format"] == {"type": "string"}
    assert properties["at"] == {"type": "object", "description": "where", "properties": {"x": {"type": "number"}}}
    assert properties["either"] == {"nullable": True, "anyOf": [{"type": "string"}, {"type": "integer"}]}
    assert set(properties["all"]["properties"]) == {"a", "b"} and properties["all"]["required"] == ["b"]
    assert properties["list"]["items"] and properties["missing"] == {"type": "object"}
    assert cleaned["required"] == ["type"]


def test_p87_the_nearly_standard_schema():
    cleaned = adapt_for_gemini_json(SCHEMA)
    assert "$schema" not in cleaned and "$id" not in cleaned
    assert set(cleaned["properties"]) == set(SCHEMA["properties"])
    assert cleaned["properties"]["const"] == {"enum": ["only"]} and cleaned["properties"]["type"] == {"type": ["string", "null"]}
    assert SCHEMA["properties"]["const"] == {"const": "only"}, "the client's own is never changed"


@pytest.mark.parametrize("times", [3, 20, 300])
def test_a_schema_that_names_itself_many_times_stays_small(times):
    """Six references deep, three hundred of them in each, would be more than there is memory."""
    node = {"type": "object", "properties": {f"p{number}": {"$ref": "#/$defs/node"} for number in range(times)}}
    schema = {"type": "object", "properties": {"root": {"$ref": "#/$defs/node"}}, "$defs": {"node": node}}
    told = adapt_for_gemini_openapi(schema)
    assert len(json.dumps(told)) < 200_000
    assert len(told["properties"]["root"]["properties"]) == times


def test_all_of_many_is_all_of_them():
    names = [f"p{number}" for number in range(20_000)]
    branches = [{"properties": {name: {"type": "string"}}, "required": [name], "title": name} for name in names]
    told = adapt_for_gemini_openapi(
        {"allOf": [*branches, {"properties": {"own": {"type": "string"}}}], "properties": {"own": {"type": "integer"}}}
    )
    assert set(told["properties"]) == {*names, "own"}
    assert told["properties"]["own"] == {"type": "integer"}
    assert set(told["required"]) == set(names)
    assert told["title"] == "p0"
