"""JSON schemas adapted to each target."""

from __future__ import annotations

import itertools
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from octoroute.dialects.request import json_schema
from octoroute.dialects.request.json_schema import (
    adapt_for_anthropic,
    adapt_for_gemini_json,
    adapt_for_gemini_openapi,
    adapt_for_openai,
)
from octoroute.dialects.request.schema_references import BYTES_PER_UNIT, MAX_ADDED_PER_REQUEST, SchemaBudget
from tests.support.dialects.chat_to_messages_request import ask, user
from tests.support.dialects.gemini import SCHEMA
from tests.support.laws.work import Work


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
    cleaned = adapt_for_gemini_openapi(SCHEMA, SchemaBudget())
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
    cleaned = adapt_for_gemini_json(SCHEMA, SchemaBudget())
    assert "$schema" not in cleaned and "$id" not in cleaned
    assert set(cleaned["properties"]) == set(SCHEMA["properties"])
    assert cleaned["properties"]["const"] == {"enum": ["only"]} and cleaned["properties"]["type"] == {"type": ["string", "null"]}
    assert SCHEMA["properties"]["const"] == {"const": "only"}, "the client's own is never changed"


@pytest.mark.parametrize("times", [3, 20, 300])
def test_a_schema_that_names_itself_many_times_stays_small(times):
    """Six references deep, three hundred of them in each, would be more than there is memory."""
    node = {"type": "object", "properties": {f"p{number}": {"$ref": "#/$defs/node"} for number in range(times)}}
    schema = {"type": "object", "properties": {"root": {"$ref": "#/$defs/node"}}, "$defs": {"node": node}}
    told = adapt_for_gemini_openapi(schema, SchemaBudget())
    assert len(json.dumps(told)) < 200_000
    assert len(told["properties"]["root"]["properties"]) == times


def test_all_of_many_is_all_of_them():
    names = [f"p{number}" for number in range(20_000)]
    branches = [{"properties": {name: {"type": "string"}}, "required": [name], "title": name} for name in names]
    told = adapt_for_gemini_openapi(
        {"allOf": [*branches, {"properties": {"own": {"type": "string"}}}], "properties": {"own": {"type": "integer"}}},
        SchemaBudget(),
    )
    assert set(told["properties"]) == {*names, "own"}
    assert told["properties"]["own"] == {"type": "integer"}
    assert set(told["required"]) == set(names)
    assert told["title"] == "p0"


def nested(width, depth, leaf):
    """`width` references in each definition to the next one: width ** depth nodes from a few bytes."""
    names = [f"d{level}" for level in range(depth)]
    defs = {
        name: {"properties": {str(n): {"$ref": f"#/$defs/{following}"} for n in range(width)}}
        for name, following in itertools.pairwise(names)
    }
    return {"$ref": "#/$defs/d0", "$defs": {**defs, names[-1]: leaf}}


def nodes(value):
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return isinstance(value, dict) + sum(map(nodes, inner))


@pytest.mark.parametrize("adapt", [adapt_for_gemini_json, adapt_for_gemini_openapi])
@settings(max_examples=30, deadline=None)
@given(
    width=st.integers(1, 40),
    depth=st.integers(1, 8),
    tools=st.integers(1, 40),
    leaf=st.sampled_from([{}, {"items": {}}, {"enum": ["a"] * 50}]),
)
def test_what_the_references_of_one_request_add_is_bounded(adapt, width, depth, tools, leaf):
    budget = SchemaBudget()
    sent = told = 0
    for number in range(tools):
        schema = {**nested(width, depth, leaf), "title": f"{width} {depth} {number}"}
        sent += nodes(schema)
        told += nodes(adapt(schema, budget))
    assert budget.left >= 0
    assert told <= sent + MAX_ADDED_PER_REQUEST * BYTES_PER_UNIT // 2


def test_a_request_whose_references_are_shortened_knows_it():
    budget = SchemaBudget()
    adapt_for_gemini_openapi(nested(2, 3, {"type": "string"}), budget)
    assert not budget.shortened
    adapt_for_gemini_openapi(nested(50, 5, {"type": "string"}), budget)
    assert budget.shortened == 1


def test_all_of_in_all_of_is_given_up_rather_than_merged_at_every_level():
    schema = {"properties": {f"p{number}": {} for number in range(2000)}}
    for _ in range(100):
        schema = {"allOf": [schema]}
    budget = SchemaBudget()
    assert adapt_for_gemini_openapi(schema, budget) == {"type": "object", "properties": {}}
    assert budget.shortened == 1


@pytest.mark.parametrize(
    ("beside", "left"),
    [
        ({}, {"$ref": "#/$defs/Q"}),
        ({"$comment": "c"}, {"$ref": "#/$defs/Q"}),
        ({"description": "d"}, None),
        ({"default": None}, None),
    ],
)
def test_g01_a_reference_has_no_other_keywords_beside_it(beside, left):
    inner = {"type": "object", "properties": {"z": {"$ref": "#/$defs/R", "title": "T"}}}
    definitions = {"Q": inner, "R": {"type": "string", "description": "r"}}
    schema = {"type": "object", "properties": {"q": {"$ref": "#/$defs/Q", **beside}}, "$defs": definitions}
    told = adapt_for_gemini_json(schema, SchemaBudget())
    z = {"type": "string", "description": "r", "title": "T"}
    expected = left or {"type": "object", "properties": {"z": z}, **beside}
    assert told["properties"]["q"] == expected
    assert told["$defs"]["Q"]["properties"]["z"] == z


def test_g01_a_reference_that_cannot_be_replaced_loses_what_is_beside_it():
    recursive = {"Q": {"type": "object", "properties": {"z": {"$ref": "#/$defs/Q", "description": "again"}}}}
    schema = {"type": "object", "properties": {"q": {"$ref": "#/$defs/Q", "title": "T"}, "x": {"$ref": "#/no", "title": "T"}}}
    told = adapt_for_gemini_json({**schema, "$defs": recursive}, SchemaBudget())

    def references(value):
        if isinstance(value, dict):
            if "$ref" in value:
                yield value
            value = list(value.values())
        for inner in value if isinstance(value, list) else ():
            yield from references(inner)

    assert all(set(found) == {"$ref"} for found in references(told))
    assert told["properties"]["x"] == {"$ref": "#/no"}


ROOT = {"$ref": "#/$defs/a", "$defs": {"a": {"type": "object", "properties": {"p": {"type": "string"}}, "required": ["p"]}}}


@pytest.mark.parametrize(
    "adapt",
    [
        adapt_for_openai,
        adapt_for_anthropic,
        lambda schema: adapt_for_gemini_json(schema, SchemaBudget()),
        lambda schema: adapt_for_gemini_openapi(schema, SchemaBudget()),
    ],
)
def test_a_reference_as_the_whole_schema_is_replaced(adapt):
    """Libraries write a named type so; every endpoint wants an object at the top."""
    told = adapt(ROOT)
    assert "$ref" not in told
    assert {name: told[name] for name in ("type", "properties", "required")} == ROOT["$defs"]["a"]


@pytest.mark.parametrize("adapt", [adapt_for_openai, adapt_for_anthropic])
@pytest.mark.parametrize("type_", [{"type": "object"}, {}])
def test_properties_that_are_none_are_none(adapt, type_):
    assert adapt({**type_, "properties": ["a"], "title": "t"}) == {"type": "object", "properties": {}, "title": "t"}


def test_the_properties_of_referenced_branches_are_merged():
    schema = {
        "oneOf": [{"$ref": "#/$defs/a"}, {"$ref": "#/$defs/b"}],
        "$defs": {"a": {"properties": {"x": {}}}, "b": {"properties": {"y": {}}}},
    }
    assert adapt_for_anthropic(schema)["properties"] == {"x": {}, "y": {}}


def test_many_branches_of_one_definition_are_merged_once():
    def merge(count: int) -> None:
        branches = [{"$ref": f"#/{number}/a"} for number in range(count)]
        adapt_for_anthropic({"anyOf": branches, "$defs": {"a": {"properties": {f"{count} {n}": {} for n in range(count)}}}})

    small, large = (Work().of(lambda count=count: merge(count)) for count in (100, 1000))
    assert large < 11 * small


def test_a_definition_is_weighed_once_however_often_it_is_named(monkeypatch):
    weighed = []
    monkeypatch.setattr(json_schema, "weight_of", lambda definition: weighed.append(definition) or 10**6)
    named = {f"p{number}": {"$ref": "#/$defs/a", "title": "t"} for number in range(100)}
    adapt_for_gemini_json({"properties": named, "$defs": {"a": {"type": "string", "title": "weighed"}}}, SchemaBudget())
    assert len(weighed) == 1


@pytest.mark.parametrize("adapt", [adapt_for_gemini_json, adapt_for_gemini_openapi])
def test_what_a_request_may_no_longer_add_is_no_work_either(adapt):
    """A schema that does not fit is not built for the cache first."""
    budget = SchemaBudget(50)
    beside = {"properties": {"q": {"$ref": "#/$defs/d0", "title": "t"}}}
    schemas = [{**nested(8, 5, {"items": {}}), **beside, "title": f"a {number}"} for number in range(5)]
    plain = [{"properties": {str(n): {"type": "string"} for n in range(30)}, "title": f"b {number}"} for number in range(5)]
    spent, free = (Work().of(lambda given=given: [adapt(one, budget) for one in given]) for given in (schemas, plain))
    assert spent < 10 * free
