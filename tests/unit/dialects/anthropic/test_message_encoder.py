"""Messages of a request to Anthropic."""

from __future__ import annotations

import pytest

from octoroute.dialects.anthropic.message_encoder import encode_messages
from octoroute.dialects.request.message_order import normalize_turns
from octoroute.domain.conversation import Conversation, Role, Text, Thinking, Turn
from octoroute.errors import BadRequest
from tests.support.dialects.chat_to_messages_request import ask, call, said, tool, user


@pytest.mark.parametrize("ids", [("functions.Bash:0", "functions.Bash:1"), ("x" * 79 + "a", "x" * 79 + "b"), ("", "")])
def test_p68_ids_are_made_safe(ids):
    body = ask(user("a"), said(None, *(call(id) for id in ids)), *(tool(id) for id in ids if id), user("b"))
    used = [block["id"] for block in body["messages"][1]["content"]]
    assert len(set(used)) == 2 and all(len(id) <= 64 and id.replace("_", "").replace("-", "").isalnum() for id in used)
    assert [block["tool_use_id"] for block in body["messages"][2]["content"][:2]] == used


def test_p69_results_first_in_one_user_turn():
    body = ask(user("a"), said(None, call("1"), call("2")), tool("1"), tool("2"), user("and?"))
    assert [message["role"] for message in body["messages"]] == ["user", "assistant", "user"]
    assert [block["type"] for block in body["messages"][2]["content"]] == ["tool_result", "tool_result", "text"]


def test_p70_an_image_in_a_result():
    content = [{"type": "text", "text": "shot"}, {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}}]
    body = ask(user("a"), said(None, call()), tool(content=content))
    assert body["messages"][2]["content"][0]["content"] == [
        {"type": "text", "text": "shot"},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA"}},
    ]


def test_p71_empty_text_is_dropped_with_its_cache_mark():
    mark = {"cache_control": {"type": "ephemeral"}}
    body = ask(user([{"type": "text", "text": "", **mark}, {"type": "text", "text": "x", **mark}]), said("  "), user("y"))
    assert body["messages"] == [
        {
            "role": "user",
            "content": [{"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}, {"type": "text", "text": "y"}],
        }
    ]


def test_p71_at_most_four_cache_marks():
    parts = [{"type": "text", "text": str(number), "cache_control": {"type": "ephemeral"}} for number in range(7)]
    content = ask(user(parts))["messages"][0]["content"]
    assert [block["text"] for block in content if "cache_control" in block] == ["3", "4", "5", "6"]


def test_p71_nothing_left_to_say():
    with pytest.raises(BadRequest):
        ask(user("  "))


@pytest.mark.parametrize("arguments", ["{", "[1]", "nonsense"])
def test_p76_broken_arguments_in_the_history(arguments):
    body = ask(user("a"), said(None, call(arguments=arguments)), tool())
    assert body["messages"][1]["content"][0]["input"] == {"_invalid_json": arguments}
    assert ask(user("a"), said(None, call(arguments="")), tool())["messages"][1]["content"][0]["input"] == {}


def test_p77_calls_come_last_in_a_turn():
    body = ask(user("a"), said(None, call("1")), said("found it"), tool("1"))
    assert [block["type"] for block in body["messages"][1]["content"]] == ["text", "tool_use"]


def test_p83_thinking_made_elsewhere_is_left_out():
    blocks = [
        {"type": "thinking", "thinking": "ours", "signature": ""},
        {"type": "thinking", "thinking": "theirs", "signature": "sig=="},
    ]
    body = ask(user("a"), said("b", thinking_blocks=blocks, reasoning_content="ours"), user("c"))
    assert body["messages"][1]["content"] == [
        {"type": "thinking", "thinking": "theirs", "signature": "sig=="},
        {"type": "text", "text": "b"},
    ]
    assert ask(user("a"), said("b", reasoning_content="x"), user("c"))["messages"][1]["content"] == [{"type": "text", "text": "b"}]


def test_documents():
    part = {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JV"}}
    assert ask(user([part]))["messages"][0]["content"][0] == {
        "type": "document",
        "source": {"type": "base64", "media_type": "application/pdf", "data": "JV"},
        "title": "a.pdf",
    }
    text = {"type": "file", "file": {"filename": "a.txt", "file_data": "data:text/plain;base64,aGk="}}
    assert ask(user([text]))["messages"][0]["content"][0]["source"] == {"type": "text", "media_type": "text/plain", "data": "hi"}


def test_the_conversation_starts_with_the_user_and_does_not_end_in_white_space():
    body = ask(said("hi"), user("a"), said("so \n"))
    assert body["messages"][0]["role"] == "user" and body["messages"][-1]["content"][-1]["text"] == "so"


def test_an_error_result_is_flagged():
    body = ask(user("a"), said(None, call()), tool(content="[tool error] no file"))
    assert body["messages"][2]["content"][0] == {
        "type": "tool_result",
        "tool_use_id": "c1",
        "content": [{"type": "text", "text": "no file"}],
        "is_error": True,
    }


def test_thinking_is_at_the_beginning_of_its_message():
    """The blank turn is dropped, and what stood before it is another message."""
    thought = Turn(Role.ASSISTANT, (Thinking("why", "sig==", "anthropic"), Text("two")))
    turns = (Turn(Role.USER, (Text("go"),)), Turn(Role.ASSISTANT, (Text("one"),)), Turn(Role.USER, (Text(" "),)), thought)
    messages = encode_messages(normalize_turns(Conversation(turns=turns)).turns, [])
    assert [message["role"] for message in messages] == ["user", "assistant", "user", "assistant"]
    assert [block["type"] for block in messages[3]["content"]] == ["thinking", "text"]
    assert messages[2]["content"] == [{"type": "text", "text": "Continue."}]
