"""Anthropic's servers: a schema that a model does not take becomes a tool, whose call becomes the answer again."""

from __future__ import annotations

import json

import pytest

from octoroute.dialects.anthropic.outbound import AnthropicOutbound
from octoroute.dialects.anthropic.structured_output import RESPONSE_TOOL
from octoroute.domain.conversation import AnswerFormat, Conversation, Role, Text, Turn
from octoroute.domain.events import Finished, FinishReason, TextDelta, ToolCallStarted
from tests.support.spine import make_endpoint

OUTBOUND = AnthropicOutbound()
ENDPOINT = make_endpoint("a", kind="anthropic", model="claude-3-5-haiku-latest")
SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"], "additionalProperties": False}
CONVERSATION = Conversation(turns=(Turn(Role.USER, (Text("hello"),)),), format=AnswerFormat(schema=SCHEMA))
BODY = json.dumps(
    {
        "type": "message",
        "role": "assistant",
        "content": [{"type": "tool_use", "id": "t", "name": RESPONSE_TOOL, "input": {"n": 1}}],
        "stop_reason": "tool_use",
        "usage": {"input_tokens": 1, "output_tokens": 2},
    }
).encode()


def test_a_schema_becomes_a_tool_and_its_call_the_answer():
    body = json.loads(OUTBOUND.encode_request(CONVERSATION, ENDPOINT, stream=False))
    assert [tool["name"] for tool in body["tools"]] == [RESPONSE_TOOL]
    events = OUTBOUND.decode_response(BODY, CONVERSATION, ENDPOINT)
    assert json.loads("".join(event.text for event in events if isinstance(event, TextDelta))) == {"n": 1}
    assert not any(isinstance(event, ToolCallStarted) for event in events)
    assert [event.reason for event in events if isinstance(event, Finished)] == [FinishReason.STOP]


def test_a_tool_of_that_name_in_a_clients_own_request_stays_one():
    assert any(isinstance(event, ToolCallStarted) for event in OUTBOUND.decode_response(BODY))


def test_its_servers_verify_thinking():
    assert OUTBOUND.verifies_thinking


@pytest.mark.parametrize(
    ("body", "tokens"), [(b'{"input_tokens": 42}', 42), (b'{"input_tokens": "42"}', None), (b"{}", None), (b"", None)]
)
def test_a_count_is_read_or_there_is_none(body, tokens):
    assert OUTBOUND.count_request(b"{}", ENDPOINT) == b"{}"
    assert OUTBOUND.read_count(body) == tokens
