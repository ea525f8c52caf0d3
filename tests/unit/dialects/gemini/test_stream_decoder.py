"""Gemini's responses, streaming or not."""

from __future__ import annotations

import json

import pytest

from octoroute.dialects.anthropic.request_decoder import decode_request as read_anthropic
from octoroute.dialects.anthropic.stream_encoder import AnthropicEncoder
from octoroute.dialects.gemini.outbound import GeminiOutbound
from octoroute.dialects.gemini.request_encoder import encode_request
from octoroute.dialects.gemini.stream_decoder import GeminiDecoder
from octoroute.dialects.openai.stream_encoder import OpenAIEncoder
from octoroute.domain.events import Failed
from octoroute.errors import BadUpstreamResponse, Throttled
from tests.support.anthropic_stream import check
from tests.support.chunks import numbered, openai_message, sse
from tests.support.dialects.gemini import ENDPOINT, call, events_of, parts


def to_anthropic(*frames):
    return check(AnthropicEncoder(model="auto", new_id=numbered()).encode(events_of(*frames)))


def to_openai(*frames):
    return openai_message(
        OpenAIEncoder(model="auto", created_s=1, include_usage=True, new_id=numbered()).encode(events_of(*frames))
    )


def test_p05_p89_stop_with_calls():
    message = to_anthropic(parts(call("f", {"a": 1}), finish="STOP"))
    assert message["stop_reason"] == "tool_use" and message["content"][0]["input"] == {"a": 1}
    assert to_openai(parts(call("f", {"a": 1}), finish="STOP"))["finish"] == "tool_calls"


@pytest.mark.parametrize(
    "frame",
    [
        sse({"candidates": [{"finishReason": "SAFETY"}]}),
        sse({"candidates": [{"content": {}, "finishReason": "IMAGE_SAFETY"}]}),
        sse({"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "usageMetadata": {"promptTokenCount": 3}}),
    ],
)
def test_p89_refusals(frame):
    message = to_anthropic(frame)
    assert (message["stop_reason"], message["content"]) == ("refusal", [])
    assert to_openai(frame)["finish"] == "content_filter"


@pytest.mark.parametrize("word", ["MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL"])
def test_p89_a_model_that_stumbled_over_its_tools(word):
    assert isinstance(events_of(parts({"text": "x"}, finish=word))[-1], Failed)
    with pytest.raises(BadUpstreamResponse):
        GeminiDecoder().decode_body(json.dumps({"candidates": [{"finishReason": word}]}).encode())


def test_p88_three_calls_one_a_chunk():
    message = to_openai(parts(call("f", {"n": 1})), parts(call("f", {"n": 2})), parts(call("f", {"n": 3}), finish="STOP"))
    assert [json.loads(one["arguments"])["n"] for one in message["tool_calls"]] == [1, 2, 3]
    assert len({one["id"] for one in message["tool_calls"]}) == 3


def test_p90_thoughts_are_part_of_the_completion():
    usage = {
        "promptTokenCount": 100,
        "cachedContentTokenCount": 40,
        "candidatesTokenCount": 20,
        "thoughtsTokenCount": 300,
        "toolUsePromptTokenCount": 5,
    }
    counted = to_openai(parts({"text": "x"}, finish="STOP", usageMetadata=usage))["usage"]
    assert (counted["prompt_tokens"], counted["completion_tokens"]) == (105, 320)
    assert (
        counted["completion_tokens_details"] == {"reasoning_tokens": 300}
        and counted["prompt_tokens_details"]["cached_tokens"] == 40
    )


def test_usage_is_cumulative_and_the_last_counts():
    frames = [parts({"text": "x"}, usageMetadata={"promptTokenCount": 3, "candidatesTokenCount": n}) for n in (1, 2)]
    assert (
        to_openai(*frames, parts(finish="STOP", usageMetadata={"promptTokenCount": 3, "candidatesTokenCount": 9}))["usage"][
            "completion_tokens"
        ]
        == 9
    )


def test_thoughts_are_thinking():
    message = to_anthropic(parts({"text": "hm", "thought": True}), parts({"text": "Hi", "thoughtSignature": "s"}, finish="STOP"))
    assert [block["type"] for block in message["content"]] == ["thinking", "text"]


def test_whole_answers_and_arrays_of_chunks():
    whole = {
        "candidates": [{"content": {"parts": [{"text": "Hi"}]}, "finishReason": "STOP"}],
        "responseId": "r",
        "modelVersion": "g",
    }
    events = GeminiDecoder().decode_body(json.dumps(whole).encode())
    assert [type(event).__name__ for event in events] == ["Started", "TextDelta", "Finished"]
    array = [{"candidates": [{"content": {"parts": [{"text": text}]}}]} for text in "ab"] + [
        {"candidates": [{"finishReason": "STOP"}]}
    ]
    assert [type(event).__name__ for event in GeminiDecoder().decode_body(json.dumps(array).encode())] == [
        "Started",
        "TextDelta",
        "TextDelta",
        "Finished",
    ]
    for nonsense in (b"{}", b"[]", b"<html>", b'{"candidates":[]}', b'{"candidates":[{"content":{"parts":[{"text":"cut"}]}}]}'):
        with pytest.raises(BadUpstreamResponse):
            GeminiDecoder().decode_body(nonsense)


def test_a_stream_that_stops_in_the_middle_has_no_end():
    assert list(GeminiDecoder().end()) == []
    decoder = GeminiDecoder()
    decoder.feed(parts({"text": "cut"}))
    assert list(decoder.end()) == []


def test_errors():
    outbound = GeminiOutbound(clock=lambda: 0.0)
    body = b'[{"error":{"code":429,"message":"m","status":"RESOURCE_EXHAUSTED","details":[{"retryDelay":"34s"}]}}]'
    error = outbound.read_error(429, {}, body)
    assert isinstance(error, Throttled) and error.retry_after_s == 34
    with pytest.raises(Throttled):
        outbound.decode_response(body)
    (failed,) = outbound.decoder().feed(sse({"error": {"code": 503, "message": "busy", "status": "UNAVAILABLE"}}))
    assert failed.kind == "overloaded_error"
    long = outbound.read_error(
        400,
        {},
        b'{"error":{"code":400,"status":"INVALID_ARGUMENT","message":"The input token count (1200000) exceeds the maximum number of tokens allowed (1048576)."}}',
    )
    assert long.code == "context_length_exceeded"


def test_p66_tool_names_come_back():
    outbound = GeminiOutbound(clock=lambda: 0.0)
    conversation = read_anthropic(json.dumps({"messages": [], "tools": [{"name": "a.b c", "input_schema": {}}]}).encode())
    sent = json.loads(
        encode_request(
            read_anthropic(json.dumps({"messages": [{"role": "user", "content": "x"}], "tools": [{"name": "a.b c"}]}).encode()),
            model="gemini-3",
        )
    )
    name = sent["tools"][0]["functionDeclarations"][0]["name"]
    events = outbound.decoder(conversation, ENDPOINT).feed(parts(call(name, {})))
    assert events[1].name == "a.b c" != name
