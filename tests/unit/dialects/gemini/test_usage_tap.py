"""Progress, usage, and errors of a Gemini response that is passed through."""

from __future__ import annotations

import json

import pytest

from octoroute.dialects.gemini.usage_tap import GeminiUsageTap
from octoroute.domain.events import FinishReason
from octoroute.errors import BadUpstreamResponse
from tests.support.fake import event

USAGE = {"promptTokenCount": 10, "candidatesTokenCount": 3, "thoughtsTokenCount": 2, "cachedContentTokenCount": 4}


def candidate(*parts, finish=None):
    return {"content": {"parts": list(parts)}, **({"finishReason": finish} if finish else {})}


def test_the_tap_reads_along():
    tap = GeminiUsageTap()
    tap.feed(b"\n\n" + event({"usageMetadata": {"promptTokenCount": 10}}))
    assert not tap.progress.started
    tap.feed(event({"candidates": [candidate({"text": "Hello"})]}) + event({"candidates": [candidate({"text": "!"})]}))
    progress = tap.progress
    assert (progress.started, progress.finished, progress.output_chars) == (True, False, 6)
    tap.feed(event({"candidates": [candidate(finish="MAX_TOKENS")], "usageMetadata": USAGE}))
    assert (progress.finished, progress.over, progress.reason) == (True, False, FinishReason.LENGTH)
    assert (progress.usage.input_tokens, progress.usage.output_tokens, progress.usage.cached_tokens) == (10, 5, 4)


def test_a_call_is_the_reason():
    tap = GeminiUsageTap()
    call = {"functionCall": {"name": "f", "args": {}}}
    tap.feed_body(json.dumps({"candidates": [candidate(call, finish="STOP")]}).encode())
    assert tap.progress.reason is FinishReason.TOOL_CALLS
    assert tap.progress.has_content


def test_a_blocked_prompt_is_a_response():
    tap = GeminiUsageTap()
    tap.feed_body(b'{"promptFeedback":{"blockReason":"SAFETY"}}')
    assert (tap.progress.finished, tap.progress.reason) == (True, FinishReason.REFUSAL)


@pytest.mark.parametrize("streams", [True, False])
def test_an_error_in_the_place_of_a_response(streams):
    tap, body = GeminiUsageTap(), {"error": {"code": 503, "message": "overloaded", "status": "UNAVAILABLE"}}
    if streams:
        tap.feed(event(body))
    else:
        tap.feed_body(json.dumps(body).encode())
    assert tap.progress.failure.kind == "overloaded_error"
    assert not tap.progress.finished


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b'{"candidates":[{}]}', b"<html>"])
def test_something_else_is_no_response(body):
    with pytest.raises(BadUpstreamResponse):
        GeminiUsageTap().feed_body(body)
