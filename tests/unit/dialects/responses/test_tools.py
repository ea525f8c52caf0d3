"""A client's tools as functions, and the way back."""

from __future__ import annotations

import re

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from octoroute.dialects.request.ids import safe_name
from octoroute.dialects.responses import schema
from octoroute.dialects.responses.tools import ToolId, ToolTable
from octoroute.errors import BadRequest


def table(*tools, where="tools"):
    made = ToolTable()
    made.offer(msgspec.convert(tools, list[schema.Tool]), where)
    return made


def function(name, **fields):
    return {"type": "function", "name": name, **fields}


def group(name, *tools, **fields):
    return {"type": "namespace", "name": name, "tools": list(tools), **fields}


names = st.one_of(
    st.text(min_size=1, max_size=90),
    st.text("a_", min_size=1, max_size=6),  # collide when they are joined
    st.sampled_from(["shell", "x" * 64, "1st", "-", "mcp__zoo", "tool_search"]),
)
leaves = st.builds(lambda kind, name: {"type": kind, "name": name}, st.sampled_from(["function", "custom"]), names)
groups = st.builds(lambda name, tools: group(name, *tools), names, st.lists(leaves, max_size=5))
searches = st.just({"type": "tool_search", "execution": "client"})
lists = st.lists(st.one_of(leaves, groups, searches), max_size=8)


def ids_of(tools):
    for tool in tools:
        if tool["type"] == "namespace":
            yield from (ToolId(inner["type"], inner["name"], tool["name"]) for inner in tool["tools"])
        elif tool["type"] == "tool_search":
            yield ToolId("tool_search", "tool_search")
        else:
            yield ToolId(tool["type"], tool["name"])


@settings(max_examples=300)
@given(lists, lists)
def test_every_name_leads_back_to_its_tool(tools, loaded):
    made = table(*tools)
    before = {tool: made.name_of(tool) for tool in ids_of(tools)}
    made.offer(msgspec.convert(loaded, list[schema.Tool]), "loaded")
    known = list(dict.fromkeys([*ids_of(tools), *ids_of(loaded)]))
    flat = [made.name_of(tool) for tool in known]
    assert [made.id_of(name) for name in flat] == known
    assert len(set(flat)) == len(flat)
    assert {tool.name for tool in made.offered} == set(flat)
    assert all(re.fullmatch(r"[A-Za-z_][A-Za-z0-9_-]{0,63}", name) and safe_name(name) == name for name in flat)
    assert all(made.name_of(tool) == name for tool, name in before.items()), "tools that are loaded rename others"
    again = table(*tools)
    assert [again.name_of(tool) for tool in before] == list(before.values())


def test_names_that_are_valid_stay_and_namespaces_are_put_before():
    made = table(
        group("mcp__zoo", function("feed")), function("mcp__zoo__feed"), function("shell"), {"type": "custom", "name": "shell"}
    )
    flat = [tool.name for tool in made.offered]
    assert flat[1:3] == ["mcp__zoo__feed", "shell"]
    assert flat[0].startswith("mcp__zoo__feed_") and flat[3].startswith("shell_")
    assert made.id_of(flat[0]) == ToolId("function", "feed", "mcp__zoo")
    assert made.id_of("never heard of") == ToolId("function", "never heard of")


def test_a_function_keeps_all_it_has():
    schema_of_it = {"type": "object", "properties": {"n": {"type": "integer"}}}
    (tool,) = table(function("f", description="d", parameters=schema_of_it, strict=True)).offered
    assert (tool.description, tool.schema, tool.strict) == ("d", schema_of_it, True)


def test_the_first_tool_of_a_namespace_says_what_it_is():
    first, second = table(group("zoo", function("a", description="one"), function("b"), description="all about animals")).offered
    assert first.description == "one\n\nzoo: all about animals" and second.description is None


def test_a_custom_tool_says_what_its_text_must_look_like():
    grammar = {"type": "grammar", "syntax": "lark", "definition": 'start: "x"'}
    (tool,) = table({"type": "custom", "name": "patch", "description": "changes files", "format": grammar}).offered
    assert tool.schema == {
        "type": "object",
        "properties": {"input": {"type": "string", "description": "The whole text for the tool."}},
        "required": ["input"],
        "additionalProperties": False,
    }
    assert tool.description.startswith("changes files\n\n") and tool.description.endswith('lark grammar:\nstart: "x"')
    (free,) = table({"type": "custom", "name": "note", "format": {"type": "text"}}).offered
    assert "grammar" not in free.description


def test_a_search_in_the_client_is_a_function_and_one_at_openai_is_not_needed():
    parameters = {"type": "object", "properties": {"goal": {"type": "string"}}}
    (tool,) = table({"type": "tool_search", "execution": "client", "description": "finds", "parameters": parameters}).offered
    assert (tool.name, tool.description, tool.schema) == ("tool_search", "finds", parameters)
    made = table({"type": "tool_search"}, function("f", defer_loading=True))
    assert [tool.name for tool in made.offered] == ["f"] and not made.left_out


def test_tools_that_run_elsewhere_are_named():
    made = table({"type": "web_search"}, group("zoo", {"type": "image_generation"}), {"type": "tool_of_next_year"})
    assert not made.offered
    assert made.left_out == [
        "tools[0] (web_search does not run here)",
        "tools[1].tools[0] (image_generation does not run here)",
        "tools[2] (tool_of_next_year does not run here)",
    ]


def test_the_last_definition_counts_at_the_first_place():
    made = table(function("f", description="old"), function("g"))
    made.offer([schema.Tool(type="function", name="f", description="new")], "input[3].tools")
    assert [(tool.name, tool.description) for tool in made.offered] == [("f", "new"), ("g", None)]


def test_a_tool_is_found_without_its_namespace_if_only_one_has_it():
    made = table(group("a", function("x"), function("y")), group("b", function("y")), function("z"))
    assert made.find("function", "x", None) == "a__x" and made.find("function", "y", None) is None
    assert made.find("function", "y", "b") == "b__y" and made.find("function", "z", "b") is None
    assert made.find("custom", "z", None) is None and list(made.group("a")) == ["a__x", "a__y"]
    made.name_of(ToolId("function", "only in a history"))
    assert made.find("function", "only in a history", None) is None


@pytest.mark.parametrize(
    ("tool", "param"),
    [
        ({"type": "function"}, "tools[0].name"),
        ({"type": "custom"}, "tools[0].name"),
        ({"type": "namespace", "tools": []}, "tools[0].name"),
        (group("n", function("a"), {"type": "custom"}), "tools[0].tools[1].name"),
    ],
)
def test_a_tool_without_a_name_is_refused(tool, param):
    with pytest.raises(BadRequest) as caught:
        table(tool)
    assert caught.value.param == param
