"""The stream of the Responses API a client gets."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from octoroute.dialects.openai.stream_decoder import OpenAIDecoder
from octoroute.domain.events import Failed, Finished, FinishReason, TextDelta
from octoroute.errors import BadUpstreamResponse, Overloaded
from tests.support.dialects.responses import EVENTS, TOOL, encoder
from tests.support.responses_stream import check, events_of
from tests.unit.dialects.test_laws import streams


def test_a_stream():
    response = check(encoder().encode(EVENTS))
    assert [item["type"] for item in response["output"]] == ["reasoning", "reasoning", "message", "function_call", "function_call"]
    assert response["output"][0]["summary"] == [{"type": "summary_text", "text": "hm"}]
    assert response["output"][2]["content"] == [{"type": "output_text", "text": "Hello", "annotations": [], "logprobs": []}]
    assert (response["output"][3]["call_id"], response["output"][3]["arguments"]) == ("c1", '{"a":1}')
    assert response["output"][4]["call_id"].startswith("call_") and response["output"][4]["arguments"] == "{}"
    assert response["usage"] == {
        "input_tokens": 10,
        "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 0},
        "output_tokens": 5,
        "output_tokens_details": {"reasoning_tokens": 2},
        "total_tokens": 15,
    }
    assert response["tools"] == [TOOL] and response["model"] == "auto" and response["store"] is False


def test_events_one_by_one_make_the_same_stream():
    one, all_at_once = encoder(), encoder()
    assert b"".join(one.encode([event]) for event in EVENTS) == all_at_once.encode(EVENTS)


@pytest.mark.parametrize(
    ("reason", "status", "why"),
    [
        (FinishReason.STOP, "completed", None),
        (FinishReason.LENGTH, "incomplete", {"reason": "max_output_tokens"}),
        (FinishReason.REFUSAL, "incomplete", {"reason": "content_filter"}),
    ],
)
def test_how_it_ended(reason, status, why):
    response = check(encoder().encode([TextDelta("x"), Finished(reason)]))
    assert (response["status"], response["incomplete_details"]) == (status, why)
    assert response["usage"]["output_tokens"] > 0


def test_an_error_in_mid_stream():
    made = encoder()
    raw = made.encode([TextDelta("x"), Failed("overloaded_error", "busy")])
    last = events_of(raw)[-1]
    assert last["type"] == "error" and last["message"] == "busy" and last["error"]["type"] == "overloaded_error"
    assert made.fail(BadUpstreamResponse("again"), "r") == b"" and made.encode([TextDelta("y")]) == b""
    alone = events_of(encoder().fail(Overloaded("the upstream is overloaded"), "r"))
    assert alone[0]["code"] == "upstream_overloaded"


@settings(max_examples=200)
@given(streams)
def test_any_chunks_make_a_stream_that_a_strict_client_accepts(frames):
    decoder, made = OpenAIDecoder(), encoder()
    raw = b"".join(made.encode(decoder.feed(frame)) for frame in frames)
    if events_of(raw)[-1]["type"] != "error":
        check(raw)
