"""The messages of a client's Chat Completions request as turns."""

from __future__ import annotations

import json

import pytest

from octoroute.dialects.openai.request_decoder import decode_request
from octoroute.domain.conversation import Audio, Image, RedactedThinking, Role, Text, Thinking, ToolCall, ToolResult, Turn
from octoroute.errors import BadRequest
from tests.support.dialects.chat_to_messages_request import ask, call, said, user
from tests.support.pairs import PNG

IMAGE = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}


def turns_of(*messages):
    return decode_request(json.dumps({"messages": list(messages)}).encode()).turns


def test_p96_typed_parts_are_taken_back():
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
    assert body["tool_choice"] == {"type": "tool", "name": "f", "disable_parallel_tool_use": True}


@pytest.mark.parametrize(
    ("fields", "wanted"),
    [
        ({"reasoning": "hm", "reasoning_content": "hm"}, [Thinking("hm")]),
        ({"reasoning_details": [{"type": "reasoning.summary", "summary": "hm"}]}, [Thinking("hm")]),
        (
            {"reasoning": "hm", "reasoning_details": [{"type": "reasoning.text", "text": "hm", "signature": "s"}]},
            [Thinking("hm", '[{"type":"reasoning.text","signature":"s"}]', "openrouter")],
        ),
        (
            {"thinking_blocks": [{"type": "thinking", "thinking": "hm", "signature": "s"}], "reasoning_content": "hm"},
            [Thinking("hm", "s", "anthropic")],
        ),
        (
            {"thinking_blocks": [{"type": "thinking", "thinking": "hm", "signature": "octo.1.gemini.s"}]},
            [Thinking("hm", "s", "gemini")],
        ),
        ({"thinking_blocks": [{"type": "redacted_thinking", "data": "zz"}]}, [RedactedThinking("zz")]),
        ({"content": [{"type": "thinking", "thinking": "hm", "signature": "s"}]}, [Thinking("hm", "s", "anthropic")]),
    ],
)
def test_thinking_is_read_once_wherever_it_stands(fields, wanted):
    turn = turns_of(user("a"), {**said("", call()), **fields})[1]
    assert turn.content == (*wanted, ToolCall("c1", "f", "{}"))


def test_a_system_message_with_an_image():
    turns = turns_of(user("a"), {"role": "system", "content": [{"type": "text", "text": "look"}, IMAGE]})
    assert turns[1:] == (Turn(Role.SYSTEM, (Text("look"),)), Turn(Role.USER, (Image(media_type="image/png", data=PNG),)))


def test_a_sound_in_a_tool_result():
    sound = {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}
    turn = turns_of(user("a"), said(None, call()), {"role": "tool", "tool_call_id": "c1", "content": [sound]})[2]
    assert turn.content == (ToolResult("c1", (Audio("AAAA", "wav"),)),)


def test_a_mark_of_a_whole_message_is_that_of_its_last_text():
    mark = {"cache_control": {"type": "ephemeral"}}
    (turn,) = turns_of({"role": "user", "content": "a", **mark})
    assert turn.content == (Text("a", cache="5m"),)
    turn = turns_of(user("a"), said(None, call()), {"role": "tool", "tool_call_id": "c1", "content": "r", **mark})[2]
    assert turn.content == (ToolResult("c1", (Text("r"),), cache="5m"),)


@pytest.mark.parametrize(
    "block",
    [{"type": "tool_use", "name": 7}, {"type": "tool_result", "content": "r"}, {"type": "image", "source": {"type": "file"}}],
)
def test_a_broken_block_of_anthropics_names_its_place(block):
    with pytest.raises(BadRequest) as caught:
        turns_of(user([block]))
    assert (caught.value.param or "").startswith("messages[0].content[0]")
