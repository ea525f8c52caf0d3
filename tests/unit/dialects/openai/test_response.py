"""Non-streaming Chat Completions responses, and errors in place of one."""

from __future__ import annotations

import json

import pytest

from octoroute.dialects.openai.response import decode_response
from octoroute.dialects.openai.response import encode_response as encode_completion
from octoroute.domain.events import Finished, FinishReason, Started, TextDelta
from octoroute.domain.outcome import Usage
from octoroute.errors import BadUpstreamResponse, Overloaded, Throttled, UpstreamAuthError, UpstreamRejected
from tests.support.chunks import numbered
from tests.support.dialects.chat_to_messages_response import answer, called, to_anthropic


def test_p05_tool_call_beats_finish_stop_in_a_whole_answer():
    assert to_anthropic(answer("stop", tool_calls=[called("{}")]))["stop_reason"] == "tool_use"


@pytest.mark.parametrize("arguments", ["", None, "null", "{}", " {} ", {}])
def test_p12_empty_arguments(arguments):
    assert to_anthropic(answer("tool_calls", tool_calls=[called(arguments)]))["content"][0]["input"] == {}


def test_p13_arguments_as_an_object():
    assert to_anthropic(answer("tool_calls", tool_calls=[called({"a": 1})]))["content"][0]["input"] == {"a": 1}


def test_p96_content_in_typed_parts():
    parts = [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": "Hi"}]
    content = to_anthropic(answer(content=parts))["content"]
    assert [(block["type"], block.get("text") or block.get("thinking")) for block in content] == [
        ("thinking", "hm"),
        ("text", "Hi"),
    ]


def test_p41_a_whole_answer_to_a_client_that_streams():
    from octoroute.dialects.anthropic.stream_encoder import AnthropicEncoder
    from octoroute.dialects.openai.stream_encoder import OpenAIEncoder
    from tests.support.anthropic_stream import check
    from tests.support.chunks import openai_message

    events = decode_response(answer("tool_calls", content="Hi", reasoning_content="hm", tool_calls=[called('{"a":1}')]))
    message = check(AnthropicEncoder(model="auto", new_id=numbered()).encode(events))
    assert [block["type"] for block in message["content"]] == ["thinking", "text", "tool_use"]
    assert openai_message(OpenAIEncoder(model="auto", created_s=1).encode(events))["tool_calls"][0]["arguments"] == '{"a":1}'


def test_p97_a_refusal():
    message = to_anthropic(answer(content=None, refusal="I can't"))
    assert (message["content"], message["stop_reason"]) == ([{"type": "text", "text": "I can't"}], "refusal")


def test_p98_a_call_cut_by_the_token_limit_is_left_out():
    message = to_anthropic(answer("length", content="Hi", tool_calls=[called('{"a":')]))
    assert (message["content"], message["stop_reason"]) == ([{"type": "text", "text": "Hi"}], "max_tokens")


@pytest.mark.parametrize("arguments", ['{"a":', "[1]", "7", '"text"', "not json"])
def test_p99_arguments_no_tool_could_be_run_with(arguments):
    with pytest.raises(BadUpstreamResponse):
        decode_response(answer("tool_calls", tool_calls=[called(arguments)]))


def test_the_legacy_function_call():
    message = to_anthropic(answer("function_call", function_call={"name": "f", "arguments": '{"a":1}'}))
    assert message["content"][0]["input"] == {"a": 1} and message["content"][0]["id"].startswith("toolu_")


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b"{}", b'{"choices":[]}', b'{"choices":null}', b"null", b'{"choices":[{}]}', b"\xff"]
)
def test_p103_what_is_no_answer(body):
    with pytest.raises(BadUpstreamResponse):
        decode_response(body)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"message": "slow down", "type": "rate_limit_error"}, Throttled),
        ({"message": "busy", "code": 503}, Overloaded),
        ({"message": "key", "code": "invalid_api_key"}, UpstreamAuthError),
        ({"message": "no", "type": "invalid_request_error"}, UpstreamRejected),
        ({"message": "maximum context length is 8 tokens", "code": "context_length_exceeded"}, UpstreamRejected),
        ("plain words", BadUpstreamResponse),
    ],
)
def test_p103_an_error_with_status_200(error, kind):
    with pytest.raises(kind):
        decode_response(json.dumps({"error": error}).encode())


def test_a_response_without_usage_gets_an_estimate():
    events = [Started("u", "m"), TextDelta("x" * 8), Finished(FinishReason.STOP)]
    usage = json.loads(encode_completion(events, model="auto", created_s=7, input_tokens=100))["usage"]
    assert (usage["prompt_tokens"], usage["completion_tokens"], usage["total_tokens"]) == (100, 2, 102)
    reported = [Started("u", "m", Usage(input_tokens=3, output_tokens=4)), *events[1:]]
    assert json.loads(encode_completion(reported, model="auto", created_s=7))["usage"]["total_tokens"] == 7
