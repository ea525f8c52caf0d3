"""Error bodies of upstreams: their kind, their retry delay, and their message."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from octoroute.dialects.anthropic.errors import error_event as write_anthropic_event
from octoroute.dialects.anthropic.errors import write_error
from octoroute.dialects.openai.errors import error_event as write_openai_event
from octoroute.dialects.response.errors import read_error_body, read_failed_event, read_upstream_error, retry_after_s
from octoroute.dialects.response.sse import read_frames
from octoroute.errors import Throttled, UpstreamAuthError, UpstreamRejected


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


@pytest.mark.parametrize("code", ["\u00b2", "\u0664\u0662\u0669", "4" * 1500, "-1", "0"])
def test_an_error_code_that_is_no_status_is_a_word(code):
    failed = read_failed_event(json.dumps({"error": {"code": code, "message": "m"}}, ensure_ascii=False).encode())
    assert (failed.kind, failed.code) == ("api_error", code)


def test_an_upstreams_own_words_stay_within_one_event():
    body = b'{\n\n"error": {"message": "no"}\n\n}'
    for event in (write_openai_event, write_anthropic_event):
        ((_, data),) = read_frames(event(UpstreamRejected("no", status=400, body=body, headers={}, dialect="openai"), "r"))
        assert json.loads(data)["error"]["message"] == "no"
