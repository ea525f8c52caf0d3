"""Streams of the Responses API."""

from __future__ import annotations

import json

from octoroute.dialects.responses.request_decoder import decode_request
from octoroute.dialects.responses.stream_encoder import ResponsesEncoder
from octoroute.domain.events import (
    Finished,
    FinishReason,
    Started,
    TextDelta,
    ThinkingDelta,
    ThinkingRedacted,
    ThinkingSigned,
    ToolCallDelta,
    ToolCallStarted,
    UsageReported,
)
from octoroute.domain.outcome import Usage
from tests.support.chunks import numbered


def question(input, **fields):
    return decode_request(json.dumps({"model": "auto", "input": input, **fields}).encode())


TOOL = {"type": "function", "name": "f", "description": "d", "parameters": {"type": "object", "properties": {}}, "strict": True}


EVENTS = [
    Started("up", "m"),
    ThinkingDelta("h"),
    ThinkingDelta("m"),
    ThinkingSigned("Er==", "anthropic"),
    ThinkingRedacted("blob"),
    TextDelta("Hel"),
    TextDelta("lo"),
    ToolCallStarted(0, "c1", "f"),
    ToolCallDelta(0, '{"a":'),
    ToolCallDelta(0, "1}"),
    ToolCallStarted(1, "", "g"),
    UsageReported(Usage(input_tokens=10, output_tokens=5, cached_tokens=4, reasoning_tokens=2)),
    Finished(FinishReason.TOOL_CALLS),
]


def encoder(**more):
    return ResponsesEncoder(model="auto", created_s=7, echo={"tools": [TOOL]}, new_id=numbered(), **more)
