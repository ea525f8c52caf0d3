"""Gemini as an endpoint: errors, and tool names of the client."""

from __future__ import annotations

import json

import pytest

from octoroute.dialects.anthropic.request_decoder import decode_request as read_anthropic
from octoroute.dialects.gemini.outbound import GeminiOutbound
from octoroute.dialects.gemini.request_encoder import encode_request
from octoroute.errors import Throttled
from tests.support.chunks import sse
from tests.support.dialects.gemini import ENDPOINT, call, parts


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
