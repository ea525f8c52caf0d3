"""The Responses API, stateless: questions, streams, whole answers, errors."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings

from octoroute.dialects.anthropic import request_encoder as to_anthropic
from octoroute.dialects.openai import request_encoder as to_openai
from octoroute.dialects.openai.compat import Quirks
from octoroute.dialects.openai.stream_decoder import OpenAIDecoder
from octoroute.dialects.responses.request_decoder import decode_request
from octoroute.dialects.responses.response import encode_response
from octoroute.dialects.responses.stream_encoder import ResponsesEncoder
from octoroute.domain.conversation import Role, Text, Thinking, ToolCall, ToolResult
from octoroute.domain.events import (
    Failed,
    Finished,
    FinishReason,
    RedactedThinking,
    Started,
    TextDelta,
    ThinkingDelta,
    ThinkingSigned,
    ToolCallDelta,
    ToolCallStarted,
    UsageReported,
)
from octoroute.domain.outcome import Usage
from octoroute.errors import BadRequest, BadUpstreamResponse, Overloaded
from tests.support.chunks import numbered
from tests.support.responses_stream import check, events_of
from tests.unit.dialects.test_laws import must_be_clear, shapes, streams


def question(input, **fields):
    return decode_request(json.dumps({"model": "auto", "input": input, **fields}).encode())


TOOL = {"type": "function", "name": "f", "description": "d", "parameters": {"type": "object", "properties": {}}, "strict": True}


def test_a_question():
    conversation = question(
        [
            {"role": "developer", "content": "also"},
            {
                "role": "user",
                "content": [
                    {"type": "input_text", "text": "look"},
                    {"type": "input_image", "image_url": "data:image/png;base64,AA"},
                ],
            },
            {"type": "function_call", "call_id": "c", "name": "f", "arguments": '{"a":1}', "id": "fc_1", "status": "completed"},
            {"type": "function_call", "call_id": "d", "name": "f", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c", "output": "one"},
            {"type": "function_call_output", "call_id": "d", "output": [{"type": "input_text", "text": "two"}]},
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "done", "annotations": []}]},
            {"role": "user", "content": "thanks"},
        ],
        instructions="sys",
        tools=[TOOL],
        tool_choice="required",
        parallel_tool_calls=False,
        max_output_tokens=9,
        reasoning={"effort": "low"},
        text={"format": {"type": "json_schema", "name": "o", "schema": {"type": "object"}, "strict": True}},
        metadata={"a": "b"},
        surprise=1,
    )
    assert [block.text for block in conversation.system] == ["sys", "also"]
    body = json.loads(to_openai.encode_request(conversation, model="m", quirks=Quirks(), stream=False))
    assert [message["role"] for message in body["messages"]] == ["system", "user", "assistant", "tool", "tool", "assistant", "user"]
    assert [call["id"] for call in body["messages"][2]["tool_calls"]] == ["c", "d"]
    assert (body["tool_choice"], body["parallel_tool_calls"], body["max_tokens"]) == ("required", False, 9)
    assert conversation.thinking.effort == "low" and conversation.format.name == "o" and conversation.ignored == ("surprise",)


def test_a_string_is_a_user_turn():
    assert question("hi").turns[0].role is Role.USER and question("hi").turns[0].content == (Text("hi"),)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
        ({"conversation": "conv_1"}, "conversation"),
        ({"prompt": {"id": "p"}}, "prompt"),
        ({"background": True}, "background"),
        ({"tools": [{"type": "web_search"}]}, "tools[0].type"),
        ({"tools": [{"type": "mcp", "server_label": "x"}]}, "tools[0].type"),
        ({"tools": [{"type": "function"}]}, "tools[0].name"),
        ({"tool_choice": {"type": "file_search"}}, "tool_choice.type"),
        ({"tool_choice": "maybe"}, "tool_choice"),
        ({"text": {"format": {"type": "grammar"}}}, "text.format.type"),
        ({"input": [{"type": "item_reference", "id": "x"}]}, "input[0]"),
        ({"input": [{"type": "web_search_call", "id": "x"}]}, "input[0]"),
        ({"input": [{"role": "user", "content": [{"type": "input_image", "file_id": "f"}]}]}, "input[0].content[0]"),
        ({"input": [{"role": "wizard", "content": "x"}]}, "input[0].role"),
        ({"input": [{"type": "function_call_output", "output": "x"}]}, "input[0]"),
        ({"input": None}, "input"),
        ({"input": 7}, "input"),
    ],
)
def test_what_a_stateless_gateway_cannot_do(fields, param):
    with pytest.raises(BadRequest) as caught:
        question(**{"input": "hi", **fields})
    assert caught.value.param == param


EVENTS = [
    Started("up", "m"),
    ThinkingDelta("h"),
    ThinkingDelta("m"),
    ThinkingSigned("Er==", "anthropic"),
    RedactedThinking("blob"),
    TextDelta("Hel"),
    TextDelta("lo"),
    ToolCallStarted(0, "c1", "f"),
    ToolCallDelta(0, '{"a":'),
    ToolCallDelta(0, "1}"),
    ToolCallStarted(1, "", "g"),
    UsageReported(Usage(input_tokens=10, output_tokens=5, cached_tokens=4, reasoning_tokens=2)),
    Finished(FinishReason.TOOL_CALLS),
]


def encoder(**more):
    return ResponsesEncoder(model="auto", created_s=7, echo={"tools": [TOOL]}, new_id=numbered(), **more)


def test_a_stream():
    response = check(encoder().encode(EVENTS))
    assert [item["type"] for item in response["output"]] == ["reasoning", "reasoning", "message", "function_call", "function_call"]
    assert response["output"][0]["summary"] == [{"type": "summary_text", "text": "hm"}]
    assert response["output"][2]["content"] == [{"type": "output_text", "text": "Hello", "annotations": [], "logprobs": []}]
    assert (response["output"][3]["call_id"], response["output"][3]["arguments"]) == ("c1", '{"a":1}')
    assert response["output"][4]["call_id"].startswith("call_") and response["output"][4]["arguments"] == "{}"
    assert response["usage"] == {
        "input_tokens": 10,
        "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 0},
        "output_tokens": 5,
        "output_tokens_details": {"reasoning_tokens": 2},
        "total_tokens": 15,
    }
    assert response["tools"] == [TOOL] and response["model"] == "auto" and response["store"] is False


def test_events_one_by_one_make_the_same_stream():
    one, all_at_once = encoder(), encoder()
    assert b"".join(one.encode([event]) for event in EVENTS) == all_at_once.encode(EVENTS)


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


@pytest.mark.parametrize(
    ("reason", "status", "why"),
    [
        (FinishReason.STOP, "completed", None),
        (FinishReason.LENGTH, "incomplete", {"reason": "max_output_tokens"}),
        (FinishReason.REFUSAL, "incomplete", {"reason": "content_filter"}),
    ],
)
def test_how_it_ended(reason, status, why):
    response = check(encoder().encode([TextDelta("x"), Finished(reason)]))
    assert (response["status"], response["incomplete_details"]) == (status, why)
    assert response["usage"]["output_tokens"] > 0


def test_an_error_in_mid_stream():
    made = encoder()
    raw = made.encode([TextDelta("x"), Failed("overloaded_error", "busy")])
    last = events_of(raw)[-1]
    assert last["type"] == "error" and last["message"] == "busy" and last["error"]["type"] == "overloaded_error"
    assert made.fail(BadUpstreamResponse("again"), "r") == b"" and made.encode([TextDelta("y")]) == b""
    alone = events_of(encoder().fail(Overloaded("the upstream is overloaded"), "r"))
    assert alone[0]["code"] == "upstream_overloaded"


@settings(max_examples=200)
@given(streams)
def test_any_chunks_make_a_stream_that_a_strict_client_accepts(frames):
    decoder, made = OpenAIDecoder(), encoder()
    raw = b"".join(made.encode(decoder.feed(frame)) for frame in frames)
    if events_of(raw)[-1]["type"] != "error":
        check(raw)


@settings(max_examples=200)
@given(shapes)
def test_no_request_raises_anything_but_bad_request(body):
    for fields in (body, {"input": body}, {"input": [body]}):
        try:
            to_openai.encode_request(decode_request(json.dumps(fields).encode()), model="m", quirks=Quirks(), stream=False)
        except BadRequest as error:
            must_be_clear(error)
