"""Non-streaming responses of the Responses API."""

from __future__ import annotations

import json

from octoroute.dialects.anthropic import request_encoder as to_anthropic
from octoroute.dialects.responses.response import encode_response
from octoroute.domain.conversation import Thinking, ToolCall, ToolResult
from tests.support.dialects.responses import EVENTS, TOOL, encoder, question
from tests.support.responses_stream import check


def test_a_whole_answer_holds_the_same_items():
    whole = json.loads(encode_response(EVENTS, model="auto", created_s=7, echo={"tools": [TOOL]}))
    streamed = check(encoder().encode(EVENTS))

    def without_ids(items):
        return [{key: value for key, value in item.items() if key not in {"id", "call_id"}} for item in items]

    assert without_ids(whole["output"]) == without_ids(streamed["output"])
    assert set(whole) == set(streamed)


def test_signed_thinking_survives_the_next_turn():
    output = check(encoder().encode(EVENTS))["output"]
    results = [{"type": "function_call_output", "call_id": item["call_id"], "output": "r"} for item in output[3:]]
    conversation = question([{"role": "user", "content": "hi"}, *output, *results])
    thoughts = [block for turn in conversation.turns for block in turn.content if isinstance(block, Thinking)]
    assert thoughts == [Thinking("hm", signature="Er==", origin="anthropic")]
    body = json.loads(to_anthropic.encode_request(conversation, model="claude-sonnet-4-5", stream=False))
    assert body["messages"][1]["content"][:2] == [
        {"type": "thinking", "thinking": "hm", "signature": "Er=="},
        {"type": "redacted_thinking", "data": "blob"},
    ]
    assert [type(block) for block in conversation.turns[-1].content] == [ToolResult]
    assert any(isinstance(block, ToolCall) for turn in conversation.turns for block in turn.content)
