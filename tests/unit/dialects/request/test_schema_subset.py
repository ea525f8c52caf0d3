import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoroute.dialects.request import schema_subset
from octoroute.dialects.request.schema_subset import fit_anthropic, fit_openai
from octoroute.dialects.request.subset_rules import CONSTRAINTS

TEXT = {"type": "string"}


def closed(properties, required=None, **more):
    names = list(properties) if required is None else required
    return {"type": "object", "properties": properties, "required": names, "additionalProperties": False, **more}


def nodes(schema):
    """All schemas within `schema`."""
    yield schema
    for key in ("properties", "$defs"):
        for inner in schema.get(key, {}).values():
            yield from nodes(inner)
    for inner in schema.get("anyOf", ()):
        yield from nodes(inner)
    if "items" in schema:
        yield from nodes(schema["items"])


def test_open_objects_are_closed_at_any_depth():
    inner = {"type": "object", "properties": {"city": TEXT}}
    fit = fit_anthropic({"type": "object", "properties": {"l": {"type": "array", "items": inner}, "u": {"anyOf": [inner, TEXT]}}})
    assert fit.changes == ("additionalProperties",)
    assert all(node["additionalProperties"] is False for node in nodes(fit.schema) if node.get("type") == "object")


def test_constraints_move_into_descriptions():
    schema = closed(
        {
            "code": {"type": "string", "pattern": "^[A-Z]{3}$", "description": "A code."},
            "share": {"type": "number", "exclusiveMinimum": 0, "multipleOf": 0.5},
            "tags": {"type": "array", "items": TEXT, "uniqueItems": True, "minItems": 1},
            "site": {"type": "string", "format": "uri"},
            "when": {"type": "string", "format": "iso-week"},
        }
    )
    fit = fit_anthropic(schema)
    properties = fit.schema["properties"]
    assert properties["code"] == {"type": "string", "description": 'A code.\n\npattern: "^[A-Z]{3}$"'}
    assert properties["share"] == {"type": "number", "description": "exclusiveMinimum: 0; multipleOf: 0.5"}
    assert properties["tags"] == {"type": "array", "items": TEXT, "minItems": 1, "description": "uniqueItems: true"}
    assert properties["site"] == {"type": "string", "format": "uri"}
    assert properties["when"] == {"type": "string", "description": 'format: "iso-week"'}
    assert fit.changes == ("exclusiveMinimum", "format", "multipleOf", "pattern", "uniqueItems")


def test_names_of_properties_are_not_keywords():
    fit = fit_anthropic(closed({"minimum": TEXT, "allOf": TEXT, "$ref": TEXT, "format": TEXT}))
    assert list(fit.schema["properties"]) == ["minimum", "allOf", "$ref", "format"]
    assert fit.changes == ()


def test_all_of_is_merged_and_references_stand_alone():
    definitions = {"Base": {"type": "object", "properties": {"id": TEXT}, "required": ["id"]}, "Kind": {"enum": ["a", "b"]}}
    schema = closed(
        {
            "both": {"allOf": [{"$ref": "#/definitions/Base"}, {"properties": {"n": {"type": "integer"}}, "required": ["n"]}]},
            "kind": {"$ref": "#/definitions/Kind", "description": "Which.", "default": "a"},
            "one": {"allOf": [{"$ref": "#/definitions/Kind"}], "title": "One"},
        },
        definitions=definitions,
    )
    fit = fit_anthropic(schema)
    properties = fit.schema["properties"]
    assert properties["both"] == closed({"id": TEXT, "n": {"type": "integer"}})
    assert properties["kind"] == properties["one"] == {"$ref": "#/$defs/Kind"}
    assert fit.schema["$defs"]["Kind"] == {"enum": ["a", "b"]}
    assert "definitions" not in fit.schema


@pytest.mark.parametrize(
    ("schema", "why"),
    [
        (closed({"m": {"type": "object", "additionalProperties": TEXT}}), "free keys"),
        (closed({"m": {"type": "object"}}), "free keys"),
        (closed({"m": {"type": "object", "patternProperties": {"^x": TEXT}}}), "free keys"),
        (closed({"m": {}}), "any value"),
        (closed({"m": True}), "any value"),
        (closed({"m": {"enum": [{"a": 1}]}}), "enum of objects"),
        (closed({"m": {"type": "array", "prefixItems": [TEXT]}}), "prefixItems"),
        (closed({"m": {"$ref": "https://a.org/schema.json"}}), "outside"),
        (closed({"m": {"$ref": "#/properties/m"}}), "outside"),
        (closed({"m": {"type": "text"}}), "unknown type"),
        (closed({"m": {"$ref": "#/$defs/N"}}, **{"$defs": {"N": closed({"n": {"$ref": "#/$defs/N"}})}}), "recursive"),
        (closed({f"o{at}": TEXT for at in range(25)}, required=[]), "too many optional"),
    ],
)
def test_what_anthropic_cannot_hold_says_why(schema, why):
    fit = fit_anthropic(schema)
    assert fit.schema is None
    assert why in fit.why


def test_a_definition_that_nothing_refers_to_does_no_harm():
    fit = fit_anthropic(closed({"a": TEXT}, **{"$defs": {"Free": {"type": "object"}}}))
    assert fit.schema == closed({"a": TEXT})


def test_openai_holds_ranges_and_recursion_but_no_optional_property():
    node = closed({"n": {"type": "integer", "minimum": 1}, "next": {"anyOf": [{"$ref": "#/$defs/N"}, {"type": "null"}]}})
    schema = closed({"first": {"$ref": "#/$defs/N"}}, **{"$defs": {"N": node}})
    assert fit_openai(schema) == (schema, (), "")
    assert "optional" in fit_openai(closed({"a": TEXT}, required=[])).why
    assert "top level" in fit_openai({"type": "array", "items": TEXT}).why


LEAF = st.one_of(
    st.fixed_dictionaries({"type": st.just("string")}, optional={"minLength": st.integers(0, 2), "pattern": st.just("^.*$")}),
    st.fixed_dictionaries({"type": st.just("integer")}, optional={"minimum": st.integers(-9, 9), "maximum": st.integers(10, 99)}),
    st.just({"type": ["boolean", "null"]}),
    st.fixed_dictionaries({"enum": st.lists(st.one_of(st.text(max_size=3), st.none(), st.integers()), min_size=1, max_size=3)}),
    st.just({"$ref": "#/$defs/D"}),
)


def grow(inner):
    properties = st.dictionaries(st.sampled_from(["a", "type", "enum", "properties"]), inner, min_size=1)
    return st.one_of(
        properties.map(lambda found: {"type": "object", "properties": found, "required": sorted(found)}),
        st.fixed_dictionaries({"type": st.just("array"), "items": inner}, optional={"maxItems": st.integers(1, 9)}),
        st.lists(inner, min_size=1, max_size=2).map(lambda found: {"oneOf": found}),
        inner.map(lambda found: {"allOf": [found]}),
    )


@given(st.recursive(LEAF, grow, max_leaves=8), LEAF)
def test_a_fit_satisfies_the_rules_and_what_it_allows_is_near_the_original(schema, definition):
    whole = {"type": "object", "properties": {"it": schema}, "required": ["it"], "$defs": {"D": definition}}
    before = msgspec.json.encode(whole)
    fit = fit_anthropic(whole)
    assert msgspec.json.encode(whole) == before
    if fit.schema is None:
        assert fit.why
        return
    for node in nodes(fit.schema):
        assert not node.keys() & (CONSTRAINTS - {"format", "minItems"})
        assert "$ref" not in node or node.keys() <= {"$ref"}
        if node.get("type") == "object":
            assert node["additionalProperties"] is False
    assert fit_anthropic(fit.schema).changes == ()


def test_the_work_is_bounded():
    wide = {"allOf": [{"properties": {f"p{at}": {"type": "null"} for at in range(400)}}]}
    users = {f"B{at}": {"allOf": [{"$ref": "#/$defs/A"}] * 2} for at in range(400)}
    multiplied = closed({f"q{at}": {"$ref": f"#/$defs/B{at}"} for at in range(400)}, **{"$defs": {"A": wide, **users}})
    doubled = {f"D{at}": {"allOf": [{"$ref": f"#/$defs/D{at + 1}"}] * 2} for at in range(30)} | {"D30": TEXT}
    for schema in (multiplied, closed({"a": {"$ref": "#/$defs/D0"}}, **{"$defs": doubled})):
        calls = 0

        def counted(*args, real=schema_subset.weight_of):
            nonlocal calls
            calls += 1
            return real(*args)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(schema_subset, "weight_of", counted)
            assert fit_anthropic(schema).schema is None
        assert calls <= 2_000
    assert fit_anthropic({"enum": ["x" * schema_subset.MAX_SCHEMA_BYTES]}).why == "it is too large"


def test_required_names_that_are_none_are_left_out():
    assert fit_anthropic(closed({"a": TEXT}, required=["a", {}, 1, ["a"]])).schema["required"] == ["a"]
