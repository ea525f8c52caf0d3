"""A client's Chat Completions request as a Conversation."""

from __future__ import annotations

import json

import pytest

from octoroute.dialects.openai.request_decoder import decode_request
from octoroute.errors import BadRequest
from tests.support.dialects.chat_to_messages_request import user


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"n": 2}, "n"),
        ({"tools": [{"type": "custom", "custom": {"name": "x"}}]}, "tools[0]"),
        ({"tool_choice": "sometimes"}, "tool_choice"),
        ({"response_format": {"type": "xml"}}, "response_format"),
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
