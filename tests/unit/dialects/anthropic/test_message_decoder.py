"""The messages of a client's Messages request as turns."""

from __future__ import annotations

import json

import pytest

from octoroute.dialects.anthropic.request_decoder import decode_request
from octoroute.domain.conversation import Document, Image, Role, Text, ToolCall, Turn
from octoroute.errors import BadRequest
from tests.support.dialects.messages_to_chat_request import ask
from tests.support.pairs import PNG


def turns_of(*messages):
    conversation = decode_request(json.dumps({"messages": list(messages)}).encode())
    return conversation.turns, conversation.notes


@pytest.mark.parametrize("source", [{"type": "file", "file_id": "f"}, {"type": "base64"}, {"type": "url"}])
@pytest.mark.parametrize("kind", ["image", "document"])
def test_files_that_live_at_anthropic(kind, source):
    with pytest.raises(BadRequest, match=r"messages\[0\].content\[0\]"):
        ask(("user", [{"type": kind, "source": source}]))


def test_tools_that_ran_at_anthropic_are_told_as_text():
    content = [
        {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "q"}},
        {
            "type": "web_search_tool_result",
            "tool_use_id": "s",
            "content": [{"type": "web_search_result", "title": "T", "url": "http://u"}],
        },
        {"type": "text", "text": "So"},
    ]
    body = ask(("user", "a"), ("assistant", content), ("user", "b"))
    assert (
        "tool_calls" not in body["messages"][1]
        and "web_search" in body["messages"][1]["content"]
        and "T" in body["messages"][1]["content"]
    )


def test_a_summary_replaces_what_came_before():
    turns, notes = turns_of(
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": [{"type": "text", "text": "b"}, {"type": "compaction", "content": "S"}]},
        {"role": "user", "content": "c"},
    )
    assert turns == (Turn(Role.USER, (Text("(summary of the conversation so far)\nS"),)), Turn(Role.USER, (Text("c"),)))
    assert notes == ("messages[1].content[1] (compaction): its summary replaces all messages before it",)


def test_a_summary_at_the_start_replaces_nothing():
    summary = {"role": "assistant", "content": [{"type": "compaction", "content": [{"type": "text", "text": "S"}]}]}
    turns, notes = turns_of(summary, {"role": "user", "content": "c"})
    assert [turn.role for turn in turns] == [Role.USER, Role.USER]
    assert notes == ()


@pytest.mark.parametrize("role", ["ctx", "msg", "", "x" * 1000])
def test_a_role_that_is_not_known(role):
    turns, (note,) = turns_of({"role": "user", "content": "a"}, {"role": role, "content": "b"})
    assert turns[1] == Turn(Role.SYSTEM, (Text("b"),))
    assert len(note) < 150


def test_a_picture_that_stands_in_an_assistants_text():
    said = f"a ![image](data:image/png;base64,{PNG}) b ![chart](https://example.org/x.png)"
    turns, _ = turns_of({"role": "user", "content": "a"}, {"role": "assistant", "content": [{"type": "text", "text": said}]})
    assert turns[1].content == (
        Text("a "),
        Image(media_type="image/png", data=PNG),
        Text(" b ![chart](https://example.org/x.png)"),
    )


def test_marks_are_read_with_their_lifetime():
    mark = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}
    image = {"type": "image", "source": {"type": "url", "url": "https://example.org/x.png"}, **mark}
    document = {"type": "document", "source": {"type": "text", "data": "d"}, **mark}
    use = {"type": "tool_use", "id": "t", "name": "f", "input": {}, **mark}
    turns, _ = turns_of({"role": "user", "content": [image, document]}, {"role": "assistant", "content": [use]})
    assert turns[0].content == (
        Image(url="https://example.org/x.png", cache="1h"),
        Document(media_type="text/plain", text="d", cache="1h"),
    )
    assert turns[1].content == (ToolCall("t", "f", "", cache="1h"),)
