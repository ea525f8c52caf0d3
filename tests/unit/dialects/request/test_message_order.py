"""Turns in the order that every provider accepts."""

from __future__ import annotations

import json

import pytest

from octoroute.dialects.anthropic.request_decoder import decode_request as read_anthropic_question
from octoroute.dialects.openai.compat import merge_presets
from octoroute.dialects.openai.request_decoder import decode_request as decode_chat
from octoroute.dialects.request import message_order
from octoroute.dialects.request.message_order import ATTACHED, normalize_turns
from octoroute.domain.conversation import Conversation, Image, Role, Text, ToolCall, ToolResult, Turn
from tests.support.dialects.laws import MANY
from tests.support.dialects.messages_to_chat_request import ask, result, roles, use


def test_p45_text_between_tool_results():
    content = [result("a", "1"), {"type": "text", "text": "mid"}, result("b", "2")]
    body = ask(("user", "go"), ("assistant", [use("a"), use("b")]), ("user", content))
    assert roles(body) == ["user", "assistant", "tool", "tool", "user"]


def test_p45_results_come_in_the_order_of_the_calls():
    body = ask(("user", "go"), ("assistant", [use("a"), use("b")]), ("user", [result("b", "2"), result("a", "1")]))
    assert [message["tool_call_id"] for message in body["messages"][2:]] == ["a", "b"]


def test_p46_results_in_two_user_turns():
    body = ask(("user", "go"), ("assistant", [use("a"), use("b")]), ("user", [result("a", "1")]), ("user", [result("b", "2")]))
    assert roles(body) == ["user", "assistant", "tool", "tool"]


def test_p58_a_system_message_in_the_middle():
    messages = (("user", "a"), ("assistant", "b"), ("system", "be brief"), ("user", "c"))
    plain = ask(*messages, system="sys")
    assert roles(plain) == ["system", "user", "assistant", "user"]
    assert plain["messages"][3]["content"] == "[system instruction]\nbe brief\n\nc"
    assert roles(ask(*messages, quirks=merge_presets("openai", "openai-reasoning"))) == ["user", "assistant", "developer", "user"]
    assert roles(ask(*messages, quirks=merge_presets("openai"))) == ["user", "assistant", "system", "user"]
    hoisted = ask(*messages, system="sys", quirks=merge_presets("single-system"))
    assert hoisted["messages"][0]["content"] == "sys\n\nbe brief" and roles(hoisted) == ["system", "user", "assistant", "user"]


@pytest.mark.parametrize("names", [(), ("openai",), ("openai", "openai-reasoning")])
def test_p59_a_system_message_right_after_a_call(names):
    messages = (("user", "a"), ("assistant", [use()]), ("system", "be brief"), ("user", [result(content="r")]))
    got = roles(ask(*messages, quirks=merge_presets(*names)))
    assert got[:3] == ["user", "assistant", "tool"] and len(got) == 4


def test_an_orphan_call_gets_a_result_and_an_orphan_result_becomes_text():
    body = ask(("user", "a"), ("assistant", [use("x")]), ("user", [result("y", "lost")]))
    assert roles(body) == ["user", "assistant", "tool", "user"]
    assert (
        body["messages"][2]["content"] == "(no result)"
        and "y" in body["messages"][3]["content"]
        and "lost" in body["messages"][3]["content"]
    )


def test_ids_that_repeat_are_told_apart():
    turn = (("assistant", [use("call_0")]), ("user", [result("call_0", "r")]))
    body = ask(("user", "a"), *turn, *turn)
    ids = [message["tool_calls"][0]["id"] for message in body["messages"] if message["role"] == "assistant"]
    assert len(set(ids)) == 2
    assert [message["tool_call_id"] for message in body["messages"] if message["role"] == "tool"] == ids


def test_many_calls_in_a_turn_are_paired_in_time():
    """Pairwise comparison would take minutes."""
    for name in (str, lambda number: "same"):
        calls = [{"type": "tool_use", "id": name(number), "name": "f", "input": {"n": number}} for number in range(MANY)]
        results = [
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": name(n), "content": str(n)}]} for n in range(MANY)
        ]
        asked = {"messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": calls}, *results]}
        turns = message_order.normalize_turns(read_anthropic_question(json.dumps(asked).encode())).turns
        answers = turns[-1].content
        assert [answer.content[0].text for answer in answers] == [str(number) for number in range(MANY)]
        assert len({answer.call_id for answer in answers}) == MANY


def test_participants_stay_apart_where_the_format_names_them():
    messages = [{"role": "user", "content": "a", "name": "Ada"}, {"role": "user", "content": "b"}, {"role": "user", "content": "c"}]
    conversation = decode_chat(json.dumps({"messages": messages}).encode())
    assert normalize_turns(conversation).turns == (
        Turn(Role.USER, (Text("a"),), "Ada"),
        Turn(Role.USER, (Text("b"), Text("c"))),
    )


def test_pictures_of_the_assistant_stand_in_a_user_turn_after_the_results():
    picture = Image(media_type="image/png", data="AA")
    call, result = ToolCall("1", "f", "{}"), ToolResult("1", (Text("r"),))
    turns = (Turn(Role.ASSISTANT, (Text("here"), picture, call)), Turn(Role.USER, (result,)))
    ordered = normalize_turns(Conversation(turns=turns)).turns
    assert ordered[0].content == (Text("here"), call)
    assert ordered[1].content == (ToolResult("1", (Text("r"),), name="f"), Text(ATTACHED), picture)
    assert normalize_turns(Conversation(turns=turns), assistant_media=True).turns[0].content == (Text("here"), picture, call)
