"""Token counts and context information, written into responses on their way to the client."""

from __future__ import annotations

import json

import pytest

from octoroute.dialects.response.rewrite import ContextReport, ResponseRewriter

REPORT = ContextReport(context_info={"window": 9}, usage={"extra": 5})


def double(count):
    return 2 * count


def test_counts_are_scaled_at_every_depth_and_totals_are_sums():
    usage = {
        "prompt_tokens": 3,
        "completion_tokens": 4,
        "total_tokens": 8,
        "prompt_tokens_details": {"cached_tokens": 1},
        "cost": 5,
        "flag_tokens": True,
    }
    body = json.dumps({"id": "x", "usage": usage}).encode()
    scaled = json.loads(ResponseRewriter(scale=double).rewrite_body(body))["usage"]
    assert scaled == {
        "prompt_tokens": 6,
        "completion_tokens": 8,
        "total_tokens": 14,
        "prompt_tokens_details": {"cached_tokens": 2},
        "cost": 5,
        "flag_tokens": True,
    }


def test_other_values_keep_their_bytes():
    body = b'{ "a" : 1.50,  "usage":{"output_tokens":2}, "b":"\\u00e9" }'
    assert ResponseRewriter(scale=double).rewrite_body(body) == b'{ "a" : 1.50,  "usage":{"output_tokens":4}, "b":"\\u00e9" }'


@pytest.mark.parametrize("body", [b"", b"<html>", b"[1]", b'{"usage":null}', b'{"usage":3}', b'{"usage":"x"}', b"\xff"])
def test_what_has_no_usage_is_passed_on(body):
    assert ResponseRewriter(scale=double).rewrite_body(body) == body
    frame = b"data: " + body + b"\n\n"
    assert ResponseRewriter(scale=double).rewrite_frames(frame) == frame


def test_a_body_gets_the_report():
    body = json.loads(ResponseRewriter(report=lambda: REPORT).rewrite_body(b'{"usage":{"input_tokens":1}}'))
    assert body == {"usage": {"input_tokens": 1, "extra": 5}, "context_info": {"window": 9}}
    assert ResponseRewriter(report=lambda: None).rewrite_body(b'{"usage":{}}') == b'{"usage":{}}'
    assert json.loads(ResponseRewriter(report=lambda: REPORT).rewrite_body(b"{}")) == {"context_info": {"window": 9}}


def data_of(frames):
    return [json.loads(line[6:]) for line in frames.splitlines() if line.startswith(b"data: {")]


def test_in_a_chat_stream_the_report_goes_to_the_chunk_with_the_usage():
    stream = b'data: {"choices":[{"finish_reason":"stop"}]}\n\ndata: {"choices":[],"usage":{"prompt_tokens":1}}\n\ndata: [DONE]\n\n'
    finish, usage = data_of(ResponseRewriter(report=lambda: REPORT).rewrite_frames(stream))
    assert "context_info" not in finish and usage["context_info"] == {"window": 9} and usage["usage"]["extra"] == 5


def test_without_usage_it_goes_to_the_chunk_with_the_finish_reason():
    rewriter = ResponseRewriter(report=lambda: REPORT, in_usage=False)
    stream = b'data: {"choices":[{"finish_reason":null}]}\n\ndata: {"choices":[{"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
    rewritten = rewriter.rewrite_frames(stream)
    assert [("context_info" in data) for data in data_of(rewritten)] == [False, True]
    assert rewritten.startswith(b'data: {"choices":[{"finish_reason":null}]}\n\n') and rewritten.endswith(b"data: [DONE]\n\n")


def test_in_a_messages_stream_every_count_is_scaled_and_the_last_event_reports():
    start = b'event: message_start\ndata: {"type":"message_start","message":{"usage":{"input_tokens":3}}}\n\n'
    last = b'event: message_delta\ndata: {"type":"message_delta","usage":{"output_tokens":2}}\n\n'
    rewriter = ResponseRewriter(scale=double, report=lambda: REPORT)
    first, second = data_of(rewriter.rewrite_frames(start + last))
    assert first == {"type": "message_start", "message": {"usage": {"input_tokens": 6}}}
    assert second["usage"] == {"output_tokens": 4, "extra": 5} and second["context_info"] == {"window": 9}


def test_in_a_responses_stream_the_response_object_reports():
    event = b'event: response.completed\ndata: {"type":"response.completed","response":{"id":"r","usage":{"input_tokens":1}}}\n\n'
    (data,) = data_of(ResponseRewriter(report=lambda: REPORT).rewrite_frames(event))
    assert data["response"]["context_info"] == {"window": 9} and data["response"]["usage"]["extra"] == 5


def test_frames_without_usage_keep_their_bytes():
    frames = b': ping\r\n\r\nevent: x\r\ndata: {"a":1}\r\n\r\n'
    assert ResponseRewriter(scale=double, report=lambda: REPORT).rewrite_frames(frames) is frames
    mixed = frames + b'data: {"usage":{"prompt_tokens":1}}\n\n'
    assert ResponseRewriter(scale=double).rewrite_frames(mixed) == frames + b'data: {"usage":{"prompt_tokens":2}}\n\n'
