"""A client's Responses request as a Conversation."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings

from octoroute.dialects.openai import request_encoder as to_openai
from octoroute.dialects.openai.compat import Quirks
from octoroute.dialects.request.body import RequestBody
from octoroute.dialects.responses.request_decoder import client_tools, decode_request
from octoroute.dialects.responses.tools import ToolId
from octoroute.domain.conversation import Role, Text, ToolChoice
from octoroute.errors import BadRequest
from tests.support.dialects.responses import TOOL, question
from tests.unit.dialects.test_laws import must_be_clear, shapes


def test_a_question():
    conversation = question(
        [
            {"role": "developer", "content": "also"},
            {
                "role": "user",
                "content": [
                    {"type": "input_text", "text": "look"},
                    {"type": "input_image", "image_url": "data:image/png;base64,AA"},
                ],
            },
            {"type": "function_call", "call_id": "c", "name": "f", "arguments": '{"a":1}', "id": "fc_1", "status": "completed"},
            {"type": "function_call", "call_id": "d", "name": "f", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c", "output": "one"},
            {"type": "function_call_output", "call_id": "d", "output": [{"type": "input_text", "text": "two"}]},
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "done", "annotations": []}]},
            {"role": "user", "content": "thanks"},
        ],
        instructions="sys",
        tools=[TOOL],
        tool_choice="required",
        parallel_tool_calls=False,
        max_output_tokens=9,
        reasoning={"effort": "low"},
        text={"format": {"type": "json_schema", "name": "o", "schema": {"type": "object"}, "strict": True}},
        metadata={"a": "b"},
        surprise=1,
    )
    assert [block.text for block in conversation.system] == ["sys", "also"]
    body = json.loads(to_openai.encode_request(conversation, model="m", quirks=Quirks(), stream=False))
    assert [message["role"] for message in body["messages"]] == ["system", "user", "assistant", "tool", "tool", "assistant", "user"]
    assert [call["id"] for call in body["messages"][2]["tool_calls"]] == ["c", "d"]
    assert (body["tool_choice"], body["parallel_tool_calls"], body["max_tokens"]) == ("required", False, 9)
    assert conversation.thinking.effort == "low" and conversation.format.name == "o" and conversation.ignored == ("surprise",)


def test_a_string_is_a_user_turn():
    assert question("hi").turns[0].role is Role.USER and question("hi").turns[0].content == (Text("hi"),)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"conversation": "conv_1"}, "conversation"),
        ({"prompt": {"id": "p"}}, "prompt"),
        ({"background": True}, "background"),
        ({"tools": [{"type": "function"}]}, "tools[0].name"),
        ({"tools": [{"type": "namespace", "tools": []}]}, "tools[0].name"),
        ({"tools": [{"type": "namespace", "name": "n", "tools": [{"type": "custom"}]}]}, "tools[0].tools[0].name"),
        ({"tools": [TOOL], "tool_choice": {"type": "function", "name": "g"}}, "tool_choice.name"),
        ({"tool_choice": "maybe"}, "tool_choice"),
        ({"text": {"format": {"type": "grammar"}}}, "text.format.type"),
        ({"input": [{"type": "item_reference", "id": "x"}]}, "input[0]"),
        ({"input": [{"role": "user", "content": [{"type": "input_image", "file_id": "f"}]}]}, "input[0].content[0]"),
        ({"input": [{"role": "wizard", "content": "x"}]}, "input[0].role"),
        ({"input": [{"type": "message", "role": "user", "content": 7}]}, "input[0].content"),
        ({"input": [{"type": "function_call", "call_id": "c"}]}, "input[0]"),
        ({"input": None}, "input"),
        ({"input": 7}, "input"),
    ],
)
def test_what_cannot_be_done_names_its_field(fields, param):
    with pytest.raises(BadRequest) as caught:
        question(**{"input": "hi", **fields})
    assert caught.value.param == param


SHELL = {"type": "function", "name": "shell", "parameters": {"type": "object", "properties": {}}}
PATCH = {"type": "custom", "name": "patch"}
GROUP = {"type": "namespace", "name": "zoo", "description": "animals", "tools": [SHELL, {"type": "custom", "name": "draw"}]}
HOSTED = {"type": "web_search"}
CHOICES = [
    ("required", ToolChoice(mode="any")),
    ({"type": "function", "name": "shell"}, ToolChoice(mode="tool", name="shell")),
    ({"type": "function", "name": "shell", "namespace": "zoo"}, ToolChoice(mode="tool", name="zoo__shell")),
    ({"type": "custom", "name": "patch"}, ToolChoice(mode="tool", name="patch")),
    ({"type": "custom", "name": "draw"}, ToolChoice(mode="tool", name="zoo__draw")),
    ({"type": "namespace", "name": "zoo"}, ToolChoice(mode="any", allowed=("zoo__shell", "zoo__draw"))),
    ({"type": "web_search"}, ToolChoice()),
    (
        {"type": "allowed_tools", "mode": "required", "tools": [{"type": "custom", "name": "patch"}, HOSTED]},
        ToolChoice(mode="any", allowed=("patch",)),
    ),
    ({"type": "allowed_tools", "mode": "required", "tools": [HOSTED]}, ToolChoice(allowed=())),
]


@pytest.mark.parametrize(("choice", "expected"), CHOICES)
def test_a_choice_of_tools_of_every_kind(choice, expected):
    conversation = question("hi", tools=[SHELL, PATCH, GROUP, HOSTED], tool_choice=choice)
    assert conversation.tool_choice == expected
    named = [text for text in conversation.ignored if text.startswith("tool_choice")]
    assert bool(named) == ("web_search" in json.dumps(choice))


def test_hosted_tools_are_left_out_by_name():
    conversation = question("hi", tools=[SHELL, HOSTED, {"type": "local_shell"}, {"type": "mcp", "server_label": "x"}])
    assert [tool.name for tool in conversation.tools] == ["shell"]
    assert conversation.ignored == tuple(
        f"tools[{at}] ({kind} does not run here)" for at, kind in ((1, "web_search"), (2, "local_shell"), (3, "mcp"))
    )


def test_names_do_not_depend_on_the_calls_in_the_history():
    call = {"type": "function_call", "call_id": "c", "name": "later__shell", "arguments": "{}"}
    found = {"type": "tool_search_output", "call_id": "s", "tools": [{**GROUP, "name": "later"}]}
    body = RequestBody.parse(json.dumps({"model": "auto", "input": [call, found]}).encode())
    conversation = decode_request(body.raw)
    assert [tool.name for tool in conversation.tools] == ["later__shell", "later__draw"]
    assert conversation.turns[0].content[0].name.startswith("later__shell_")
    assert client_tools(body).id_of("later__shell") == ToolId("function", "shell", "later")


def test_without_a_tool_there_is_no_choice():
    assert question("hi", tools=[HOSTED], tool_choice="required").tool_choice is None


def test_tools_of_a_request_without_its_other_fields():
    found = {"type": "tool_search_output", "call_id": "s", "tools": [{**GROUP, "name": "later"}]}
    body = RequestBody.parse(json.dumps({"model": "auto", "input": [found], "tools": [SHELL, GROUP]}).encode())
    table = client_tools(body)
    assert [tool.name for tool in table.offered] == ["shell", "zoo__shell", "zoo__draw", "later__shell", "later__draw"]
    assert table.offered == decode_request(body.raw).tools
    assert not client_tools(RequestBody.parse(b'{"input":"hi"}')).offered


@settings(max_examples=200)
@given(shapes)
def test_no_request_raises_anything_but_bad_request(body):
    for fields in (body, {"input": body}, {"input": [body]}):
        try:
            to_openai.encode_request(decode_request(json.dumps(fields).encode()), model="m", quirks=Quirks(), stream=False)
        except BadRequest as error:
            must_be_clear(error)
