"""Errors in Anthropic's format."""

from __future__ import annotations

import json

import pytest

from octoroute.dialects.anthropic.errors import error_event, error_status, write_error
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
