"""A client's Messages request as a Conversation."""

from __future__ import annotations

import json

import pytest

from octoroute.dialects.anthropic.request_decoder import decode_request
from octoroute.errors import BadRequest
from tests.support.dialects.messages_to_chat_request import TOOL, ask


def test_p54_a_tool_that_runs_at_anthropic():
    search = {"type": "web_search_20250305", "name": "web_search"}
    body = ask(("user", "go"), tools=[search, TOOL], tool_choice={"type": "tool", "name": "web_search"})
    assert [tool["function"]["name"] for tool in body["tools"]] == ["f"] and "tool_choice" not in body
    assert "tools" not in ask(("user", "go"), tools=[search], tool_choice={"type": "tool", "name": "web_search"})
    conversation = decode_request(json.dumps({"messages": [], "tools": [search]}).encode())
    assert "web_search_20250305" in conversation.ignored[0]


def test_p56_unknown_fields_are_no_error():
    body = {"messages": [{"role": "user", "content": "x"}], "context_management": {"edits": []}, "mcp_servers": [], "surprise": 1}
    assert set(decode_request(json.dumps(body).encode()).ignored) == {"context_management", "mcp_servers", "surprise"}


def test_p60_the_billing_line_is_left_out():
    def system(digest):
        return [
            {"type": "text", "text": f"x-anthropic-billing-header: {digest}"},
            {"type": "text", "text": "You are", "cache_control": {}},
        ]

    one, two = (ask(("user", "a"), system=system(digest)) for digest in ("1a", "2b"))
    assert one == two and one["messages"][0] == {"role": "system", "content": "You are"}


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b"{}", None),
        (b'{"messages":[{"role":"user"}]}', "messages"),
        (b'{"messages":[{"role":"user","content":[{"type":"tool_result"}]}]}', "messages[0].content[0].tool_use_id"),
        (b'{"messages":[{"role":"user","content":[{"type":"container_upload"}]}]}', "messages[0].content[0]"),
        (b'{"messages":[],"tool_choice":{"type":"x"},"tools":[{"name":"a"}]}', "tool_choice.type"),
        (b'{"messages":[],"temperature":"hot"}', "temperature"),
    ],
)
def test_bad_requests_name_the_field(body, param):
    with pytest.raises(BadRequest) as caught:
        decode_request(body)
    assert param is None or (caught.value.param or "").startswith(param)
