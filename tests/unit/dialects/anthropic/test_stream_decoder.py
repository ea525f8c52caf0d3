"""Streams of Anthropic's servers, checked through the Chat Completions stream that a client gets."""

from __future__ import annotations

import pytest

from octoroute.dialects.anthropic.stream_decoder import AnthropicDecoder
from octoroute.domain.events import ToolCallDelta
from tests.support.chunks import anthropic, openai_events
from tests.support.dialects.messages_to_chat_stream import START, STOP, block, call, delta, raw_of, text, translate


def test_p18_several_message_deltas():
    message = translate(
        START,
        text(0, "Hi"),
        delta("max_tokens", output_tokens=5),
        anthropic("message_delta", delta={}, usage={"output_tokens": 12}),
        STOP,
        include_usage=True,
    )
    assert message["finish"] == "length"
    assert message["usage"]["completion_tokens"] == 12


def test_p36_the_empty_input_of_the_start_is_no_argument():
    message = translate(START, call(0, "a", "f", '{"x"', ":1}"), delta("tool_use"), STOP)
    assert message["tool_calls"][0]["arguments"] == '{"x":1}'


def test_p36_no_arguments_at_all():
    message = translate(START, call(0, "a", "f"), call(1, "b", "g"), delta("tool_use"), STOP)
    assert [one["arguments"] for one in message["tool_calls"]] == ["{}", "{}"]


def test_p36_input_that_came_with_the_start():
    message = translate(START, call(0, "a", "f", input={"x": 1}), delta("tool_use"), STOP)
    assert message["tool_calls"][0]["arguments"] == '{"x":1}'


def test_p39_an_error_event():
    events = openai_events(
        raw_of(START, text(0, "Hi"), anthropic("error", error={"type": "overloaded_error", "message": "Overloaded"}))
    )
    assert events[-1] == {"error": {"message": "Overloaded", "type": "overloaded_error", "param": None, "code": None}}
    assert "[DONE]" not in events


def test_p40_unknown_events_deltas_and_blocks():
    message = translate(
        START,
        anthropic("surprise", anything={"a": 1}),
        block(0, {"type": "hologram", "x": 1}, {"type": "light_delta", "x": 1}),
        block(1, {"type": "text", "text": ""}, {"type": "citations_delta", "citation": {}}, {"type": "text_delta", "text": "Hi"}),
        block(
            2,
            {"type": "server_tool_use", "id": "s", "name": "web", "input": {}},
            {"type": "input_json_delta", "partial_json": "{}"},
        ),
        delta(),
        STOP,
    )
    assert message["content"] == "Hi" and message["tool_calls"] == [] and message["done"]


def test_p95_cache_counts_are_part_of_the_prompt():
    start = anthropic(
        "message_start",
        message={"usage": {"input_tokens": 7, "cache_read_input_tokens": 9000, "cache_creation_input_tokens": 1000}},
    )
    message = translate(start, text(0, "Hi"), delta(), STOP, include_usage=True)
    assert message["usage"]["prompt_tokens"] == 10007
    assert message["usage"]["prompt_tokens_details"] == {"cached_tokens": 9000, "cache_write_tokens": 1000}


def test_a_stream_without_message_stop_but_with_a_reason_ends():
    assert translate(START, text(0, "Hi"), delta())["done"]
    assert not translate(START, text(0, "Hi"))["done"]


def test_a_refusal_is_explained():
    details = {"type": "refusal", "explanation": "not that"}
    refusal = anthropic("message_delta", delta={"stop_reason": "refusal", "stop_details": details}, usage={"output_tokens": 1})
    events = openai_events(raw_of(START, refusal, STOP))
    assert [event["choices"][0]["delta"].get("refusal") for event in events[1:2]] == ["not that"]
    assert events[-2]["choices"][0]["finish_reason"] == "content_filter"


@pytest.mark.parametrize("stop", [b"", anthropic("content_block_stop", index=0)], ids=["before any block", "after one"])
def test_arguments_outside_any_tool_block_belong_to_no_call(stop):
    start = anthropic("message_start", message={"id": "m", "model": "m"})
    if stop:
        block = {"type": "tool_use", "id": "t", "name": "f", "input": {}}
        stop = anthropic("content_block_start", index=0, content_block=block) + stop
    stray = anthropic("content_block_delta", index=-1, delta={"type": "input_json_delta", "partial_json": "{"})
    assert not any(isinstance(event, ToolCallDelta) for event in AnthropicDecoder().feed(start + stop + stray))
