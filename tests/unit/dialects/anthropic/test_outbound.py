"""Anthropic as an endpoint: structured output on models without it, tool names of the client, errors."""

from __future__ import annotations

import json

import pytest

from octoroute.dialects.anthropic.outbound import AnthropicOutbound
from octoroute.dialects.request.ids import safe_name
from octoroute.domain.conversation import AnswerFormat, Audio, Conversation, Role, Text, Tool, Turn
from octoroute.domain.endpoint import Endpoint, Tier
from octoroute.domain.events import Finished, FinishReason, TextDelta, ToolCallStarted
from octoroute.errors import Throttled, UpstreamRejected

OUTBOUND = AnthropicOutbound()


def endpoint(model="claude-sonnet-4", **more):
    return Endpoint(
        id="a", name="a", tier=Tier.DEEP, kind="anthropic", provider="anthropic", base_url="http://x", model=model, **more
    )


def conversation(**fields):
    return Conversation(turns=(Turn(Role.USER, (Text("hi"),)),), **fields)


def response(*content, stop_reason="end_turn"):
    return json.dumps({"id": "m", "type": "message", "content": list(content), "stop_reason": stop_reason}).encode()


def test_limits_of_the_endpoint_apply():
    notes = []
    body = json.loads(
        OUTBOUND.encode_request(conversation(), endpoint(max_tokens=900, max_output_tokens=500), stream=True, notes=notes)
    )
    assert (body["model"], body["max_tokens"], body["stream"]) == ("claude-sonnet-4", 500, True)
    assert notes == ["max_tokens: 900 reduced to 500, the model's limit"]


@pytest.mark.parametrize(("model", "as_text"), [("claude-sonnet-4", True), ("claude-sonnet-5", False)])
def test_the_forced_tool_becomes_text_only_where_it_was_forced(model, as_text):
    wanted = conversation(format=AnswerFormat(schema={"type": "object", "properties": {}}))
    request = json.loads(OUTBOUND.encode_request(wanted, endpoint(model), stream=False))
    assert ("tools" in request) is as_text
    body = response({"type": "tool_use", "id": "t", "name": "structured_answer", "input": {"a": 1}}, stop_reason="tool_use")
    events = OUTBOUND.decode_response(body, wanted, endpoint(model))
    assert (TextDelta('{"a":1}') in events) is as_text
    assert events[-1].reason is (FinishReason.STOP if as_text else FinishReason.TOOL_CALLS)


def test_tools_get_the_clients_names_back():
    tools = conversation(tools=(Tool(name="files.read"),))
    body = response({"type": "tool_use", "id": "t", "name": safe_name("files.read"), "input": {}}, stop_reason="tool_use")
    events = OUTBOUND.decode_response(body, tools, endpoint())
    assert [event.name for event in events if isinstance(event, ToolCallStarted)] == ["files.read"]
    assert isinstance(events[-1], Finished)


def test_audio_makes_the_endpoint_ineligible():
    audio = Conversation(turns=(Turn(Role.USER, (Audio("AAAA", "wav"),)),))
    assert OUTBOUND.unsupported(audio, endpoint()) == "this endpoint does not support audio input"
    assert OUTBOUND.unsupported(conversation(), endpoint()) is None


def test_errors_are_read_from_the_body():
    limited = OUTBOUND.read_error(429, {"retry-after": "7"}, b'{"type":"error","error":{"type":"rate_limit_error","message":"x"}}')
    assert isinstance(limited, Throttled) and limited.retry_after_s == 7
    too_long = b'{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 9 tokens > 8 maximum"}}'
    rejected = OUTBOUND.read_error(400, {}, too_long)
    assert isinstance(rejected, UpstreamRejected) and rejected.dialect == "anthropic"
    assert OUTBOUND.read_error(500, {}, b"<html>") is None
