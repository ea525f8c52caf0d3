"""Errors in OpenAI's format."""

from __future__ import annotations

import json

import pytest

from octoroute.dialects.openai.errors import error_event, write_error
from octoroute.errors import BadRequest, BadUpstreamResponse, Overloaded, Throttled, Unauthorized, UpstreamRejected


@pytest.mark.parametrize(
    ("error", "type", "param"),
    [
        (BadRequest("x", param="n"), "invalid_request_error", "n"),
        (Unauthorized("x"), "invalid_request_error", None),
        (Throttled("x"), "rate_limit_error", None),
        (Overloaded("x"), "overloaded_error", None),
        (BadUpstreamResponse("x"), "api_error", None),
    ],
)
def test_the_type_follows_the_kind(error, type, param):
    expected = {"message": "x", "type": type, "param": param, "code": error.code}
    assert json.loads(write_error(error, "r")) == {"error": expected}


def test_an_openai_endpoint_that_rejected_the_request_is_quoted_unchanged():
    body = b'{ "error": {"message":"bad", "x":1} }\n'
    error = UpstreamRejected("rejected", status=422, body=body, headers={}, dialect="openai")
    assert write_error(error, "r") == body


def test_so_is_one_that_was_asked_by_responses():
    rejected = UpstreamRejected("no", status=400, body=b'{"error":{"message":"as it is"}}', headers={}, dialect="responses")
    assert write_error(rejected, "r") == rejected.body


def test_another_dialects_rejection_keeps_its_message():
    body = b'{"type":"error","error":{"type":"invalid_request_error","message":"tools[0] is bad"}}'
    error = UpstreamRejected("rejected", status=400, body=body, headers={}, dialect="anthropic")
    assert json.loads(write_error(error, "r"))["error"]["message"] == "tools[0] is bad"


def test_inside_a_stream_an_error_is_one_frame():
    body = b'{\n"error": {"message":"bad"}\n}'
    frame = error_event(UpstreamRejected("rejected", status=400, body=body, headers={}, dialect="openai"), "r")
    assert frame.startswith(b"data: {") and frame.count(b"\n") == 2 and frame.endswith(b"\n\n")
    assert json.loads(frame[6:])["error"]["message"] == "bad"
