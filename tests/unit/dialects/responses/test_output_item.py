"""Whole responses of an endpoint that speaks Responses."""

from __future__ import annotations

import json

import pytest

from octoroute.dialects.responses.output_item import decode_response, read_answer
from octoroute.domain.events import (
    Finished,
    FinishReason,
    RefusalDelta,
    Started,
    TextDelta,
    ThinkingDelta,
    ThinkingSigned,
    ToolCallDelta,
    ToolCallStarted,
    UsageReported,
)
from octoroute.domain.outcome import Usage
from octoroute.errors import BadUpstreamResponse, Throttled, UpstreamRejected

CALL = {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "f_x", "arguments": '{"a":1}'}
TEXT = {"type": "message", "id": "m", "role": "assistant", "content": [{"type": "output_text", "text": "hi"}]}
REASONING = {"type": "reasoning", "id": "rs", "summary": [{"type": "summary_text", "text": t} for t in ("a", "b")]}


def answer(*output, **fields):
    return json.dumps({"id": "resp_1", "model": "m", "status": "completed", "output": output, **fields}).encode()


def test_every_kind_of_item():
    body = answer(
        {**REASONING, "encrypted_content": "gAAA"},
        TEXT,
        {**TEXT, "content": [{"type": "refusal", "refusal": "no"}]},
        CALL,
        {**CALL, "call_id": "c2", "name": "g", "arguments": ""},
        {"type": "web_search_call", "id": "ws"},
        usage={"input_tokens": 9, "output_tokens": 4, "input_tokens_details": {"cached_tokens": 3}, "output_tokens_details": None},
    )
    assert decode_response(body, {"f_x": "f.x"}) == [
        Started("resp_1", "m"),
        ThinkingDelta("a\n\nb"),
        ThinkingSigned("rs.gAAA", "responses"),
        TextDelta("hi"),
        RefusalDelta("no"),
        ToolCallStarted(0, "c1", "f.x"),
        ToolCallDelta(0, '{"a":1}'),
        ToolCallStarted(1, "c2", "g"),
        UsageReported(Usage(input_tokens=9, output_tokens=4, cached_tokens=3)),
        Finished(FinishReason.TOOL_CALLS, None, "completed"),
    ]


def test_arguments_that_are_an_object():
    assert ToolCallDelta(0, '{"a":1}') in decode_response(answer({**CALL, "arguments": {"a": 1}}))


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({}, FinishReason.STOP),
        ({"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}, FinishReason.LENGTH),
        ({"status": "incomplete"}, FinishReason.LENGTH),
        ({"status": "incomplete", "incomplete_details": {"reason": "content_filter"}}, FinishReason.REFUSAL),
    ],
)
def test_how_it_ended(fields, reason):
    assert decode_response(answer(TEXT, **fields))[-1].reason is reason


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (answer(status="failed", error={"code": "rate_limit_exceeded", "message": "slow"}), Throttled),
        (answer(status="failed", error={"code": "invalid_prompt", "message": "bad"}), UpstreamRejected),
        (answer(status="failed", error=None), BadUpstreamResponse),
        (answer(status="in_progress"), BadUpstreamResponse),
        (b'{"choices":[]}', BadUpstreamResponse),
        (b"[]", BadUpstreamResponse),
        (b"", BadUpstreamResponse),
    ],
)
def test_what_is_no_answer(body, error):
    with pytest.raises(error):
        read_answer(body)


@pytest.mark.parametrize(
    "item", [{"type": "web_search_call"}, {"type": "custom_tool_call", "name": "p"}, {**CALL, "namespace": "n"}]
)
def test_what_events_cannot_hold_is_refused_if_it_must_not_be_lost(item):
    with pytest.raises(BadUpstreamResponse):
        decode_response(answer(item), strict=True)
    assert decode_response(answer(item))[-1].reason in FinishReason
