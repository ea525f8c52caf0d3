"""What is read of a Responses response whose bytes are passed through."""

from __future__ import annotations

import json

import pytest

from octoroute.dialects.responses.usage_tap import ResponsesUsageTap
from octoroute.domain.events import Failed, FinishReason
from octoroute.domain.outcome import Usage
from octoroute.errors import BadUpstreamResponse, Throttled
from tests.unit.dialects.responses.test_stream_decoder import CREATED, delta, frame, item

END = {"id": "r", "status": "completed", "output": [], "usage": {"input_tokens": 9, "output_tokens": 4}}


def fed(*events):
    tap = ResponsesUsageTap()
    for event in events:
        tap.feed(frame(event))
    return tap.progress


def test_that_it_was_created_does_not_commit():
    progress = fed(CREATED, {**CREATED, "type": "response.in_progress"})
    assert not progress.started and not progress.finished
    assert fed(CREATED, item("added", 0, type="reasoning")).started


@pytest.mark.parametrize(
    ("events", "reason"),
    [
        ([delta("output_text", 0, "hello")], FinishReason.STOP),
        ([delta("function_call_arguments", 0, "{ab}}")], FinishReason.TOOL_CALLS),
        ([delta("custom_tool_call_input", 0, "patch")], FinishReason.TOOL_CALLS),
    ],
)
def test_progress_to_the_end(events, reason):
    progress = fed(CREATED, *events, {"type": "response.completed", "response": END})
    assert progress.finished and progress.over and progress.reason is reason
    assert progress.usage == Usage(input_tokens=9, output_tokens=4) and progress.output_chars == 5


def test_items_of_any_shape_pass():
    odd = {"type": "tool_search_call", "arguments": {}, "content": 7, "name": {}, "summary": [1, {"text": 2}]}
    assert fed(item("added", 0, **odd), {"type": "response.completed", "response": {**END, "output": [odd]}}).finished


def test_an_incomplete_response_is_finished():
    ended = {**END, "status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}
    assert fed({"type": "response.incomplete", "response": ended}).reason is FinishReason.LENGTH


@pytest.mark.parametrize(
    ("event", "failure"),
    [
        ({"type": "error", "code": "server_error", "message": "boom"}, Failed("api_error", "boom", "server_error")),
        (
            {"type": "response.failed", "response": {"error": {"code": "rate_limit_exceeded", "message": "slow"}}},
            Failed("rate_limit_error", "slow", "rate_limit_exceeded"),
        ),
    ],
)
def test_failures(event, failure):
    progress = fed(CREATED, event)
    assert progress.failure == failure and not progress.finished


def test_a_whole_response():
    tap = ResponsesUsageTap()
    output = [
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "ab"}]},
        {"type": "message", "content": [{"type": "output_text", "text": "cd"}]},
        {"type": "custom_tool_call", "name": "p", "input": "x"},
        {"type": "of_next_year", "content": 7, "summary": {"text": 1}, "name": ["x"]},
        {"type": "function_call", "name": "f", "arguments": "{}"},
    ]
    tap.feed_body(json.dumps({**END, "output": output}).encode())
    assert tap.progress.started and tap.progress.finished and tap.progress.output_chars == 6
    assert tap.progress.reason is FinishReason.TOOL_CALLS and tap.progress.usage == Usage(input_tokens=9, output_tokens=4)
    with pytest.raises(Throttled):
        ResponsesUsageTap().feed_body(b'{"status":"failed","error":{"code":"rate_limit_exceeded","message":"slow"}}')


@pytest.mark.parametrize("raw", [b"data: nonsense\n\n", b'data: {"type":"response.completed"}\n\n'])
def test_what_is_not_of_the_format(raw):
    with pytest.raises(BadUpstreamResponse):
        ResponsesUsageTap().feed(raw)


def test_comments_and_the_end_mark_of_others_are_nothing():
    tap = ResponsesUsageTap()
    tap.feed(b": ping\n\ndata: [DONE]\n\n")
    assert not tap.progress.started
