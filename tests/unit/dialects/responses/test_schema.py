"""Reading the items of a request and the tools that they load."""

from __future__ import annotations

import msgspec
import pytest

from octoroute.dialects.responses import schema
from octoroute.errors import BadRequest


def raws(*items):
    return [msgspec.Raw(msgspec.json.encode(item)) for item in items]


def test_an_item_of_another_type_may_have_any_fields():
    items = schema.read_items(
        raws(
            {"type": "tool_search_call", "arguments": {"query": "x"}},
            {"type": "invented", "content": {"a": 1}, "name": 7},
            {"content": "a message needs no type"},
        )
    )
    assert [item.type for item in items] == ["tool_search_call", "invented", "message"]
    assert items[0].arguments == {"query": "x"} and items[1].content is None


@pytest.mark.parametrize(
    ("item", "param"),
    [
        ({"type": "function_call", "name": 7}, "input[1].name"),
        ({"role": "user", "content": [{"type": "input_text", "text": 1}]}, "input[1].content[0].text"),
        ({"type": 7}, "input[1].type"),
        ("a text", "input[1]"),
    ],
)
def test_a_wrong_field_is_named_with_its_place(item, param):
    with pytest.raises(BadRequest) as caught:
        schema.read_items(raws({"role": "user", "content": "hi"}, item))
    assert caught.value.param == param


def test_a_tool_that_cannot_be_read_keeps_its_type():
    tools = schema.read_tools(raws({"type": "function", "name": "f"}, {"type": "function", "name": 7}, {"name": "x"}, "text"))
    assert [(tool.type, tool.name) for tool in tools] == [("function", "f"), ("function", ""), ("message", "")]
