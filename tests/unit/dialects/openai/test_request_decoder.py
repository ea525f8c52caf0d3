"""A client's Chat Completions request as a Conversation."""

from __future__ import annotations

import json

import pytest

from octoroute.dialects.openai.request_decoder import decode_request
from octoroute.errors import BadRequest
from tests.support.dialects.chat_to_messages_request import ask, said, user


def test_p96_typed_parts_are_taken_back():
    from octoroute.dialects.openai.request_decoder import decode_request
    from octoroute.domain.conversation import Text, Thinking

    parts = [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": "Hi"}]
    for message in ({"content": parts}, {"content": "Hi", "reasoning": "hm"}, {"content": "Hi", "reasoning_content": "hm"}):
        body = {"messages": [{"role": "user", "content": "x"}, {"role": "assistant", **message}]}
        assert decode_request(json.dumps(body).encode()).turns[1].content == (Thinking("hm"), Text("Hi"))


def test_p78_a_developer_message_in_the_middle():
    start = [{"role": "system", "content": "s"}, user("a"), said("b")]
    plain, later = ask(*start, user("c")), ask(*start, {"role": "developer", "content": "brief"}, user("c"))
    assert later["system"] == plain["system"] == [{"type": "text", "text": "s"}]
    assert later["messages"][:2] == plain["messages"][:2]
    assert [block["text"] for block in later["messages"][2]["content"]] == ["[system instruction]\nbrief", "c"]


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"n": 2}, "n"),
        ({"tools": [{"type": "custom", "custom": {"name": "x"}}]}, "tools[0]"),
        ({"tool_choice": "sometimes"}, "tool_choice"),
        ({"response_format": {"type": "xml"}}, "response_format"),
        ({"messages": [{"role": "wizard"}]}, "messages[0].role"),
        ({"messages": [user([{"type": "file", "file": {"file_id": "f"}}])]}, "messages[0].content[0].file"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].tool_call_id"),
        ({"messages": [user([{"type": "hologram"}])]}, "messages[0].content[0]"),
        ({"messages": "hello"}, "messages"),
    ],
)
def test_bad_requests_name_the_field(fields, param):
    with pytest.raises(BadRequest) as caught:
        decode_request(json.dumps({"messages": [user("a")], **fields}).encode())
    assert (caught.value.param or "").startswith(param)


def test_legacy_functions():
    body = ask(
        user("a"),
        {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": '{"x":1}'}},
        {"role": "function", "name": "f", "content": "r"},
        functions=[{"name": "f", "parameters": {"type": "object", "properties": {}}}],
        function_call={"name": "f"},
    )
    use, (result, *_) = body["messages"][1]["content"][0], body["messages"][2]["content"]
    assert use["input"] == {"x": 1} and result["tool_use_id"] == use["id"]
    assert body["tool_choice"] == {"type": "tool", "name": "f"}
