"""P-cases of the stream and the whole answer from an Anthropic upstream to an OpenAI client."""

from __future__ import annotations

import json

import pytest

from octoroute.dialects.anthropic.response import decode_response
from octoroute.dialects.anthropic.stream_decoder import AnthropicDecoder
from octoroute.dialects.openai.response import encode_response
from octoroute.dialects.openai.stream_encoder import OpenAIEncoder
from tests.support.chunks import anthropic, numbered, openai_events, openai_message

START = anthropic("message_start", message={"id": "msg_1", "model": "claude", "usage": {"input_tokens": 25, "output_tokens": 1}})
STOP = anthropic("message_stop")


def delta(reason="end_turn", **usage):
    return anthropic("message_delta", delta={"stop_reason": reason, "stop_sequence": None}, usage={"output_tokens": 9, **usage})


def block(index, start, *deltas):
    return b"".join(
        [
            anthropic("content_block_start", index=index, content_block=start),
            *(anthropic("content_block_delta", index=index, delta=one) for one in deltas),
            anthropic("content_block_stop", index=index),
        ]
    )


def text(index, *parts):
    return block(index, {"type": "text", "text": ""}, *({"type": "text_delta", "text": part} for part in parts))


def call(index, id, name, *parts, **start):
    head = {"type": "tool_use", "id": id, "name": name, "input": {}, **start}
    return block(index, head, *({"type": "input_json_delta", "partial_json": part} for part in parts))


def raw_of(*frames, **how):
    decoder, encoder = AnthropicDecoder(), OpenAIEncoder(model="auto", created_s=7, new_id=numbered(), **how)
    return b"".join(encoder.encode(decoder.feed(frame)) for frame in frames) + encoder.encode(decoder.end())


def translate(*frames, **how):
    return openai_message(raw_of(*frames, **how))


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


def test_p19_usage_has_both_sides():
    message = translate(START, text(0, "Hi"), delta(), STOP, include_usage=True)
    assert (message["usage"]["prompt_tokens"], message["usage"]["completion_tokens"]) == (25, 9)


def test_p35_parallel_calls_are_numbered_among_themselves():
    message = translate(
        START, text(0, "Let me"), call(1, "a", "f", '{"x":1}'), call(2, "b", "g", '{"y":', "2}"), delta("tool_use"), STOP
    )
    assert message["tool_calls"] == [
        {"id": "a", "name": "f", "arguments": '{"x":1}'},
        {"id": "b", "name": "g", "arguments": '{"y":2}'},
    ]


def test_p36_the_empty_input_of_the_start_is_no_argument():
    message = translate(START, call(0, "a", "f", '{"x"', ":1}"), delta("tool_use"), STOP)
    assert message["tool_calls"][0]["arguments"] == '{"x":1}'


def test_p36_no_arguments_at_all():
    message = translate(START, call(0, "a", "f"), call(1, "b", "g"), delta("tool_use"), STOP)
    assert [one["arguments"] for one in message["tool_calls"]] == ["{}", "{}"]


def test_p36_input_that_came_with_the_start():
    message = translate(START, call(0, "a", "f", input={"x": 1}), delta("tool_use"), STOP)
    assert message["tool_calls"][0]["arguments"] == '{"x":1}'


def test_p37_a_tool_call_is_whole():
    message = translate(START, call(0, "toolu_1", "get", '{"x":1}'), delta("tool_use"), STOP)
    assert message["finish"] == "tool_calls" and message["done"]
    assert message["tool_calls"] == [{"id": "toolu_1", "name": "get", "arguments": '{"x":1}'}]


def test_p38_usage_only_for_who_asked():
    frames = (START, text(0, "Hi"), delta(), STOP)
    assert not any("usage" in event for event in openai_events(raw_of(*frames)) if event != "[DONE]")
    events = openai_events(raw_of(*frames, include_usage=True))
    counted = [event for event in events if event != "[DONE]" and event["usage"]]
    assert len(counted) == 1 and counted[0]["choices"] == [] and events[-2:] == [counted[0], "[DONE]"]
    assert all(event["usage"] is None for event in events[:-2])


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


def test_all_chunks_share_id_created_and_model():
    events = openai_events(raw_of(START, text(0, "Hi", " there"), delta(), STOP))[:-1]
    assert {(event["id"], event["created"], event["model"]) for event in events} == {("chatcmpl-" + "0" * 24, 7, "auto")}
    assert events[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}


def test_a_ping_is_a_comment():
    assert b": ping\n\n" in raw_of(START, anthropic("ping"), text(0, "Hi"), delta(), STOP)


def test_thinking_and_its_signature():
    frames = (
        START,
        block(
            0,
            {"type": "thinking", "thinking": "", "signature": ""},
            {"type": "thinking_delta", "thinking": "hm"},
            {"type": "signature_delta", "signature": "sig=="},
        ),
        text(1, "Hi"),
        delta(),
        STOP,
    )
    assert translate(*frames)["reasoning"] == "hm"
    assert translate(*frames, show_thinking=False)["reasoning"] == ""
    blocks = [
        event["choices"][0]["delta"]["thinking_blocks"]
        for event in openai_events(raw_of(*frames, thinking_blocks=True))[:-1]
        if "thinking_blocks" in event["choices"][0]["delta"]
    ]
    assert blocks == [[{"type": "thinking", "thinking": "hm", "signature": "sig=="}]]


def test_a_stream_without_message_stop_but_with_a_reason_ends():
    assert translate(START, text(0, "Hi"), delta())["done"]
    assert not translate(START, text(0, "Hi"))["done"]


def test_a_refusal_is_explained():
    details = {"type": "refusal", "explanation": "not that"}
    refusal = anthropic("message_delta", delta={"stop_reason": "refusal", "stop_details": details}, usage={"output_tokens": 1})
    events = openai_events(raw_of(START, refusal, STOP))
    assert [event["choices"][0]["delta"].get("refusal") for event in events[1:2]] == ["not that"]
    assert events[-2]["choices"][0]["finish_reason"] == "content_filter"


WHOLE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude",
    "content": [
        {"type": "thinking", "thinking": "hm", "signature": "s"},
        {"type": "text", "text": "Let me "},
        {"type": "server_tool_use", "id": "x", "name": "web_search", "input": {"q": 1}},
        {"type": "web_search_tool_result", "tool_use_id": "x", "content": []},
        {"type": "text", "text": "look"},
        {"type": "tool_use", "id": "a", "name": "f", "input": {"z": 1, "a": [1.50, "é"]}},
    ],
    "stop_reason": "tool_use",
    "stop_sequence": None,
    "usage": {"input_tokens": 7, "output_tokens": 3},
}


def test_p37_a_whole_answer():
    answer = json.loads(
        encode_response(decode_response(json.dumps(WHOLE).encode()), model="auto", created_s=7, thinking_blocks=True)
    )
    message = answer["choices"][0]["message"]
    assert message["content"] == "Let me look"
    assert message["reasoning_content"] == "hm"
    assert message["thinking_blocks"] == [{"type": "thinking", "thinking": "hm", "signature": "s"}]
    (only,) = message["tool_calls"]
    assert (only["id"], only["function"]["name"]) == ("a", "f")
    assert list(json.loads(only["function"]["arguments"])) == ["z", "a"], "the model's order of keys"
    assert answer["choices"][0]["finish_reason"] == "tool_calls"
    assert answer["usage"]["total_tokens"] == 10


@pytest.mark.parametrize(
    ("word", "finish"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("refusal", "content_filter"),
        ("pause_turn", "stop"),
        ("something_new", "stop"),
        (None, "stop"),
    ],
)
def test_stop_reasons(word, finish):
    body = WHOLE | {"content": [{"type": "text", "text": "x"}], "stop_reason": word}
    assert (
        json.loads(encode_response(decode_response(json.dumps(body).encode()), model="m", created_s=1))["choices"][0][
            "finish_reason"
        ]
        == finish
    )
