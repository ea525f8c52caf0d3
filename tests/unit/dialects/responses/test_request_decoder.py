"""A client's Responses request as a Conversation."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings

from octoroute.dialects.openai import request_encoder as to_openai
from octoroute.dialects.openai.compat import Quirks
from octoroute.dialects.responses.request_decoder import decode_request
from octoroute.domain.conversation import Role, Text
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
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
        ({"conversation": "conv_1"}, "conversation"),
        ({"prompt": {"id": "p"}}, "prompt"),
        ({"background": True}, "background"),
        ({"tools": [{"type": "web_search"}]}, "tools[0].type"),
        ({"tools": [{"type": "mcp", "server_label": "x"}]}, "tools[0].type"),
        ({"tools": [{"type": "function"}]}, "tools[0].name"),
        ({"tool_choice": {"type": "file_search"}}, "tool_choice.type"),
        ({"tool_choice": "maybe"}, "tool_choice"),
        ({"text": {"format": {"type": "grammar"}}}, "text.format.type"),
        ({"input": [{"type": "item_reference", "id": "x"}]}, "input[0]"),
        ({"input": [{"type": "web_search_call", "id": "x"}]}, "input[0]"),
        ({"input": [{"role": "user", "content": [{"type": "input_image", "file_id": "f"}]}]}, "input[0].content[0]"),
        ({"input": [{"role": "wizard", "content": "x"}]}, "input[0].role"),
        ({"input": [{"type": "function_call_output", "output": "x"}]}, "input[0]"),
        ({"input": None}, "input"),
        ({"input": 7}, "input"),
    ],
)
def test_what_a_stateless_gateway_cannot_do(fields, param):
    with pytest.raises(BadRequest) as caught:
        question(**{"input": "hi", **fields})
    assert caught.value.param == param


@settings(max_examples=200)
@given(shapes)
def test_no_request_raises_anything_but_bad_request(body):
    for fields in (body, {"input": body}, {"input": [body]}):
        try:
            to_openai.encode_request(decode_request(json.dumps(fields).encode()), model="m", quirks=Quirks(), stream=False)
        except BadRequest as error:
            must_be_clear(error)
