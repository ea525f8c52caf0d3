"""Clients that send `functions` get `function_call`, whole and streamed."""

from __future__ import annotations

import json

import pytest

from octoroute.dialects.openai.function_call import FunctionCallEncoder, wants_function_call
from octoroute.dialects.openai.request_decoder import decode_request
from octoroute.dialects.openai.response import encode_response
from octoroute.dialects.request.body import RequestBody
from octoroute.domain.events import Finished, FinishReason, TextDelta, ToolCallDelta, ToolCallStarted

FUNCTIONS = [{"name": "f", "parameters": {"type": "object", "properties": {}}}]
CALL = [TextDelta("I ask."), ToolCallStarted(0, "c1", "f"), ToolCallDelta(0, '{"a":'), ToolCallDelta(0, "1}")]
SECOND = [ToolCallStarted(1, "c2", "g"), ToolCallDelta(1, '{"b":2}')]
STOP = Finished(FinishReason.TOOL_CALLS)


@pytest.mark.parametrize(
    ("fields", "wanted"),
    [
        ({"functions": FUNCTIONS}, True),
        ({"functions": FUNCTIONS, "tools": None}, True),
        ({"functions": FUNCTIONS, "tools": []}, True),
        ({"functions": FUNCTIONS, "tools": [{"type": "function"}]}, False),
        ({"functions": None}, False),
        ({"functions": []}, False),
        ({}, False),
    ],
)
def test_who_reads_function_call(fields, wanted):
    assert wants_function_call(RequestBody.parse(json.dumps(fields).encode())) is wanted
    assert wants_function_call(b"a form") is False


def test_such_a_client_can_take_one_call_only():
    asked = {"messages": [{"role": "user", "content": "a"}], "functions": FUNCTIONS}
    choice = decode_request(json.dumps(asked).encode()).tool_choice
    assert choice is not None
    assert choice.parallel is False
    choice = decode_request(json.dumps({**asked, "function_call": {"name": "f"}}).encode()).tool_choice
    assert choice is not None
    assert (choice.name, choice.parallel) == ("f", False)


@pytest.mark.parametrize("more", [[], SECOND], ids=["one call", "two calls"])
def test_the_first_call_whole_and_streamed(more):
    body = json.loads(encode_response([*CALL, *more, STOP], model="m", created_s=1, function_call=True))
    (choice,) = body["choices"]
    assert choice["finish_reason"] == "function_call"
    assert choice["message"]["function_call"] == {"name": "f", "arguments": '{"a":1}'}
    assert "tool_calls" not in choice["message"]
    encoder = FunctionCallEncoder(model="m", created_s=1)
    frames = b"".join(encoder.encode([event]) for event in [*CALL, *more, STOP]).decode().split("\n\n")
    choices = [json.loads(frame[6:])["choices"][0] for frame in frames if frame.startswith("data: {")]
    deltas = [choice["delta"].get("function_call", {}) for choice in choices]
    assert "".join(delta.get("name", "") for delta in deltas) == "f"
    assert "".join(delta.get("arguments", "") for delta in deltas) == '{"a":1}'
    assert not any("tool_calls" in choice["delta"] for choice in choices)
    assert choices[-1]["finish_reason"] == "function_call"


def test_a_call_without_arguments_has_an_empty_object():
    frames = FunctionCallEncoder(model="m", created_s=1).encode([CALL[1], STOP]).decode()
    assert '"function_call":{"arguments":"{}"}' in frames
    body = json.loads(encode_response([CALL[1], STOP], model="m", created_s=1, function_call=True))
    assert body["choices"][0]["message"]["function_call"]["arguments"] == "{}"


def test_an_answer_without_a_call_is_as_any_other():
    stop = Finished(FinishReason.STOP)
    body = json.loads(encode_response([CALL[0], stop], model="m", created_s=1, function_call=True))
    assert body["choices"][0]["finish_reason"] == "stop"
    assert "function_call" not in body["choices"][0]["message"]
