"""Tool-call ids and tool names that every provider accepts."""

from __future__ import annotations

import json

import pytest

from octoroute.dialects.anthropic.response import decode_response as read_anthropic
from octoroute.dialects.anthropic.response import encode_response as write_anthropic
from octoroute.dialects.anthropic.stream_encoder import AnthropicEncoder
from octoroute.dialects.openai.stream_decoder import OpenAIDecoder
from octoroute.dialects.request.ids import UsedIds, safe_name
from octoroute.domain.conversation import Conversation, Tool
from tests.support.anthropic_stream import frames_of
from tests.support.chunks import DONE, chunk, tool, tools
from tests.support.dialects.chat_to_messages_stream import translate
from tests.support.dialects.laws import MANY, to_client
from tests.support.dialects.messages_to_chat_request import TOOL, ask, result, use


def test_p66_tool_names_come_back_as_the_client_wrote_them():
    from octoroute.dialects.request.ids import client_names, safe_name

    name = "mcp__" + "x" * 85 + ".read"
    names = client_names(Conversation(turns=(), tools=(Tool(name=name),)))
    message = translate(tools(tool(0, "c1", safe_name(name), "{}")), chunk("stop"), DONE, names=names)
    assert message["content"][0]["name"] == name


@pytest.mark.parametrize("name", ["mcp__" + "x" * 85, "files.read", "1st", "größe", "-x"])
def test_p66_long_and_odd_tool_names(name):
    body = ask(
        ("user", "a"),
        ("assistant", [use(name=name)]),
        ("user", [result(content="r")]),
        tools=[TOOL | {"name": name}],
        tool_choice={"type": "tool", "name": name},
    )
    short = body["tools"][0]["function"]["name"]
    assert short == safe_name(name) != name and len(short) <= 64
    assert all(char.isascii() and (char.isalnum() or char in "_-") for char in short) and not short[0].isdigit()
    assert body["tool_choice"]["function"]["name"] == body["messages"][1]["tool_calls"][0]["function"]["name"] == short


def test_many_calls_of_one_id_are_told_apart_in_time():
    calls = [tool(number, "same", "f", "{}") for number in range(MANY)]
    raw, _ = to_client(OpenAIDecoder(), AnthropicEncoder(model="m"), [tools(*calls), chunk("tool_calls"), DONE])
    assert len({data["content_block"]["id"] for name, data in frames_of(raw) if name == "content_block_start"}) == MANY
    message = {"content": [{"type": "tool_use", "id": "same", "name": "f", "input": {}}] * MANY, "stop_reason": "tool_use"}
    written = json.loads(write_anthropic(read_anthropic(json.dumps(message).encode()), model="m"))
    assert len({block["id"] for block in written["content"]}) == MANY


def test_an_id_that_a_server_repeats_is_used_once():
    ids = UsedIds()
    assert [ids.first_use(id) for id in ("a", "b", "a", "", None, "b")] == ["a", "b", "", "", "", ""]
