"""P-cases of whole answers, and of errors that stand in an answer's place."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from octoroute.dialects.anthropic.errors import error_event, error_status, write_error
from octoroute.dialects.anthropic.response import encode_response
from octoroute.dialects.openai.response import decode_response
from octoroute.dialects.response.errors import read_error_body, read_upstream_error, retry_after_s
from octoroute.errors import (
    BadRequest,
    BadUpstreamResponse,
    Overloaded,
    Throttled,
    Unauthorized,
    UpstreamAuthError,
    UpstreamError,
    UpstreamRejected,
)
from tests.support.chunks import numbered


def answer(finish="stop", usage=None, **message):
    return json.dumps(
        {
            "id": "x",
            "choices": [{"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}],
            "usage": usage or {"prompt_tokens": 3, "completion_tokens": 4},
        }
    ).encode()


def to_anthropic(body: bytes, **how):
    return json.loads(encode_response(decode_response(body), model="auto", new_id=numbered(), **how))


def called(arguments, **more):
    return {"id": "c", "type": "function", "function": {"name": "f", "arguments": arguments}, **more}


def test_p05_tool_call_beats_finish_stop_in_a_whole_answer():
    assert to_anthropic(answer("stop", tool_calls=[called("{}")]))["stop_reason"] == "tool_use"


@pytest.mark.parametrize("arguments", ["", None, "null", "{}", " {} ", {}])
def test_p12_empty_arguments(arguments):
    assert to_anthropic(answer("tool_calls", tool_calls=[called(arguments)]))["content"][0]["input"] == {}


def test_p13_arguments_as_an_object():
    assert to_anthropic(answer("tool_calls", tool_calls=[called({"a": 1})]))["content"][0]["input"] == {"a": 1}


def test_p16_no_usage_is_estimated():
    body = json.dumps({"choices": [{"message": {"content": "four words of text"}, "finish_reason": "stop"}]}).encode()
    usage = to_anthropic(body, input_tokens=30)["usage"]
    assert usage["input_tokens"] == 30 and usage["output_tokens"] > 0


def test_p96_content_in_typed_parts():
    parts = [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": "Hi"}]
    content = to_anthropic(answer(content=parts))["content"]
    assert [(block["type"], block.get("text") or block.get("thinking")) for block in content] == [
        ("thinking", "hm"),
        ("text", "Hi"),
    ]


def test_p96_typed_parts_are_taken_back():
    from octoroute.dialects.openai.request_decoder import decode_request
    from octoroute.domain.conversation import Text, Thinking

    parts = [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": "Hi"}]
    for message in ({"content": parts}, {"content": "Hi", "reasoning": "hm"}, {"content": "Hi", "reasoning_content": "hm"}):
        body = {"messages": [{"role": "user", "content": "x"}, {"role": "assistant", **message}]}
        assert decode_request(json.dumps(body).encode()).turns[1].content == (Thinking("hm"), Text("Hi"))


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


def test_p115_the_requested_model_is_told():
    assert to_anthropic(answer(content="x"))["model"] == "auto"


def test_several_calls_keep_their_order_and_get_ids_of_their_own():
    calls = [called("{}", id="same"), called("{}", id="same"), called("{}", id=None), called("{}", id="functions.Bash:0")]
    ids = [block["id"] for block in to_anthropic(answer("tool_calls", tool_calls=calls))["content"]]
    assert ids[0] == "same" and len(set(ids)) == 4
    assert all(id.replace("-", "").replace("_", "").isalnum() and len(id) <= 64 for id in ids)


def test_the_legacy_function_call():
    message = to_anthropic(answer("function_call", function_call={"name": "f", "arguments": '{"a":1}'}))
    assert message["content"][0]["input"] == {"a": 1} and message["content"][0]["id"].startswith("toolu_")


def test_no_empty_text_block():
    assert to_anthropic(answer(content=""))["content"] == []


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
        (
            {"message": "no", "type": "invalid_request_error"},
            BadUpstreamResponse,
        ),  # an error in an answer's place is a failed attempt
        ({"message": "maximum context length is 8 tokens", "code": "context_length_exceeded"}, UpstreamRejected),
        ("plain words", BadUpstreamResponse),
    ],
)
def test_p103_an_error_with_status_200(error, kind):
    with pytest.raises(kind):
        decode_response(json.dumps({"error": error}).encode())


@pytest.mark.parametrize(
    ("headers", "body", "seconds"),
    [
        ({"retry-after": "7"}, b"{}", 7),
        ({"retry-after": "0.5"}, b"{}", 0.5),
        ({"retry-after-ms": "1500", "retry-after": "9"}, b"{}", 1.5),
        ({"retry-after": "Fri, 20 Nov 2026 04:00:30 GMT"}, b"{}", 30),
        ({"retry-after": "Fri, 20 Nov 2020 04:00:30 GMT"}, b"{}", 0),
        ({"retry-after": "soon"}, b"{}", None),
        ({"retry-after": "nan"}, b"{}", None),
        ({}, b'{"error":{"code":429,"details":[{"@type":"x"},{"@type":"RetryInfo","retryDelay":"34s"}]}}', 34),
        ({}, b'[{"error":{"code":429,"details":[{"retryDelay":"1.5s"}]}}]', 1.5),
        ({}, b'{"error":{"details":[3,{"retryDelay":7}]}}', None),
    ],
)
def test_p101_how_long_to_wait(headers, body, seconds):
    now = datetime(2026, 11, 20, 4, 0, 0, tzinfo=UTC).timestamp()
    assert retry_after_s(headers, now, read_error_body(body)) == seconds


def test_p101_google_says_it_in_the_body():
    body = b'{"error":{"code":429,"status":"RESOURCE_EXHAUSTED","message":"m","details":[{"retryDelay":"34s"}]}}'
    error = read_upstream_error(429, {}, body, "gemini")
    assert isinstance(error, Throttled) and error.retry_after_s == 34


@pytest.mark.parametrize(
    "body",
    [
        b'{"error":{"message":"You exceeded your current quota","type":"insufficient_quota","code":"insufficient_quota"}}',
        b'{"type":"error","error":{"type":"rate_limit_error","message":"You have reached your specified API usage spend limit"}}',
    ],
)
def test_p102_a_spent_quota_is_no_rate_limit(body):
    assert isinstance(read_upstream_error(429, {}, body, "openai"), UpstreamAuthError)


def test_p102_a_rate_limit_that_says_how_long_is_one():
    body = b'{"type":"error","error":{"type":"rate_limit_error","message":"spend limit of this minute"}}'
    assert isinstance(read_upstream_error(429, {"retry-after": "7"}, body, "anthropic"), Throttled)


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (
            "This model's maximum context length is 128,000 tokens. However, your messages resulted in 130500 tokens.",
            "prompt is too long: 130500 tokens > 128000 maximum",
        ),
        ("prompt is too long: 210000 tokens > 200000 maximum", "prompt is too long: 210000 tokens > 200000 maximum"),
        (
            "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
            "prompt is too long: 1200000 tokens > 1048576 maximum",
        ),
        ("the request exceeds the available context size", "prompt is too long: the request exceeds the available context size"),
    ],
)
def test_p104_a_context_that_is_too_long_is_told_in_agents_words(message, words):
    body = json.dumps({"error": {"message": message, "type": "invalid_request_error", "code": None}}).encode()
    error = read_upstream_error(400, {}, body, "openai")
    assert isinstance(error, UpstreamRejected) and error.code == "context_length_exceeded" and not error.blames_endpoint
    told = json.loads(write_error(error, "req_1"))
    assert told == {"type": "error", "error": {"type": "invalid_request_error", "message": words}, "request_id": "req_1"}


@pytest.mark.parametrize(
    ("error", "type", "status"),
    [
        (BadRequest("x"), "invalid_request_error", 400),
        (Unauthorized("x"), "authentication_error", 401),
        (Throttled("x"), "rate_limit_error", 429),
        (Overloaded("x"), "overloaded_error", 529),
        (BadUpstreamResponse("x"), "api_error", 502),
        (UpstreamAuthError("x"), "api_error", 502),
    ],
)
def test_errors_in_anthropics_words(error, type, status):
    assert json.loads(write_error(error, "r"))["error"] == {"type": type, "message": "x"}
    assert error_status(error) == status
    frame = error_event(error, "r")
    assert frame.startswith(b"event: error\ndata: {") and frame.endswith(b"}\n\n")


def test_an_upstream_that_judged_the_request_is_quoted():
    body = b'{"error":{"message":"tools[0] is bad","type":"invalid_request_error"}}'
    error: UpstreamError = UpstreamRejected("refused", status=422, body=body, headers={}, dialect="openai")
    assert json.loads(write_error(error, "r"))["error"]["message"] == "tools[0] is bad"
    ours = UpstreamRejected("refused", status=400, body=b'{"type":"error"}', headers={}, dialect="anthropic")
    assert write_error(ours, "r") == b'{"type":"error"}'
