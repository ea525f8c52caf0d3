"""How deep references are followed, counted before anything is built."""

from __future__ import annotations

import pytest

from octoroute.dialects.request.schema_references import MAX_DEPTH, SchemaReferences, TooManyNodes, inline_root

LIST = {"$ref": "#/$defs/list", "$defs": {"list": {"properties": {"next": {"$ref": "#/$defs/list"}, "value": {"type": "string"}}}}}


def test_a_schema_without_references_adds_nothing():
    references = SchemaReferences({"properties": {"a": {"type": "string"}}, "$defs": {"b": {}}}, 0, 60)
    assert (references.added, references.complete) == (0, True)


def test_a_recursive_schema_is_followed_as_deep_as_it_is_allowed_to():
    deep = SchemaReferences(LIST, 10_000, 100)
    assert (deep.depth, deep.complete) == (MAX_DEPTH, False)
    assert deep.get("#/$defs/list", MAX_DEPTH - 1) is LIST["$defs"]["list"]
    assert deep.get("#/$defs/list", MAX_DEPTH) is None
    shallow = SchemaReferences(LIST, deep.added // 2, 100)
    assert 0 < shallow.depth < MAX_DEPTH and shallow.added <= deep.added // 2
    assert SchemaReferences(LIST, 0, 100).depth == 0


def test_a_schema_that_ends_is_complete():
    schema = {"properties": {"a": {"$ref": "#/definitions/A"}}, "definitions": {"A": {"type": "string"}}}
    references = SchemaReferences(schema, 100, 60)
    assert references.complete and references.get("#/definitions/A", 0) == {"type": "string"}
    assert references.get("#/definitions/B", 0) is None


def test_visits_are_counted():
    references = SchemaReferences({}, 0, 30)
    with pytest.raises(TooManyNodes):
        for _ in range(1000):
            references.visit()


def test_the_root_is_what_its_reference_names():
    definitions = {"a": {"$ref": "#/$defs/b", "title": "a"}, "b": {"type": "object", "title": "b", "properties": {"p": {}}}}
    schema = {"$ref": "#/$defs/a", "description": "d", "$defs": definitions}
    assert inline_root(schema) == {
        "type": "object",
        "title": "a",
        "properties": {"p": {}},
        "description": "d",
        "$defs": definitions,
    }
    assert inline_root(definitions["b"]) is definitions["b"]


@pytest.mark.parametrize("reference", ["#/$defs/self", "#/$defs/none", 1, None])
def test_a_root_that_names_nothing_keeps_the_rest(reference):
    schema = {"$ref": reference, "title": "t", "$defs": {"self": {"$ref": "#/$defs/self"}}}
    assert "$ref" not in inline_root(schema) and inline_root(schema)["title"] == "t"
