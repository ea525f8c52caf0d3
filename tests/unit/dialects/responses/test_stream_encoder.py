"""The stream of the Responses API a client gets."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from octoroute.dialects.openai.stream_decoder import OpenAIDecoder
from octoroute.dialects.response.upstream_error import error_from_event, read_failed_event
from octoroute.dialects.responses import schema
from octoroute.dialects.responses.response import encode_response
from octoroute.dialects.responses.tools import ToolTable
from octoroute.domain.events import Failed, Finished, FinishReason, Started, TextDelta, ToolCallDelta, ToolCallStarted
from octoroute.errors import BadUpstreamResponse, Throttled
from tests.support.chunks import cut
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
    assert response["tools"] == [TOOL] and response["model"] == "auto" and response["store"] is True


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


def test_an_error_in_mid_stream_is_an_error_and_a_failed_response():
    made = encoder()
    raw = made.encode([TextDelta("x"), ToolCallStarted(0, "c", "f"), Failed("overloaded_error", "busy")])
    error, failed = events_of(raw)[-2:]
    assert error["type"] == "error" and error["message"] == "busy" and error["error"]["type"] == "overloaded_error"
    assert failed["type"] == "response.failed" and failed["response"]["status"] == "failed"
    assert failed["response"]["error"] == {"code": "server_is_overloaded", "message": "busy"}
    assert [item["type"] for item in failed["response"]["output"]] == ["message"]
    assert made.fail(BadUpstreamResponse("again"), "r") == b"" and made.encode([TextDelta("y")]) == b""


def test_an_error_before_anything_else():
    error, failed = events_of(encoder().fail(Throttled("the upstream's rate limit is reached", retry_after_s=7), "r"))
    assert error["code"] == "upstream_rate_limited"
    assert failed["response"]["error"]["code"] == "rate_limit_exceeded"
    assert "try again in 7s" in failed["response"]["error"]["message"]


def test_what_the_upstream_says_of_the_request_is_the_cause():
    body = b'{"error":{"message":"context length exceeded: 9000 > 8000","code":"context_length_exceeded"}}'
    rejected = error_from_event(read_failed_event(body))
    failed = events_of(encoder().fail(rejected, "r"))[-1]["response"]["error"]
    assert failed == {"code": "context_length_exceeded", "message": "prompt is too long: 9000 tokens > 8000 maximum"}


TOOLS = [
    {"type": "custom", "name": "patch"},
    {"type": "namespace", "name": "zoo", "tools": [{"type": "function", "name": "feed"}, {"type": "custom", "name": "draw"}]},
    {"type": "tool_search", "execution": "client"},
]


def table():
    made = ToolTable()
    made.offer(msgspec.convert(TOOLS, list[schema.Tool]), "tools")
    return made


CALLS = [
    Started("up", "m"),
    TextDelta("see"),
    ToolCallStarted(0, "c0", "patch"),
    ToolCallDelta(0, '{"input": "a\\n'),
    ToolCallDelta(0, '\\"b\\"'),
    ToolCallDelta(0, '"}'),
    ToolCallStarted(1, "c1", "zoo__feed"),
    ToolCallDelta(1, '{"n":1}'),
    ToolCallStarted(2, "c2", "zoo__draw"),
    ToolCallDelta(2, "{}"),
    ToolCallStarted(3, "c3", "tool_search"),
    ToolCallDelta(3, '{"query":"lions"}'),
    ToolCallStarted(4, "c4", "unheard_of"),
    Finished(FinishReason.TOOL_CALLS),
]
ITEMS = [
    {"type": "custom_tool_call", "call_id": "c0", "name": "patch", "input": 'a\n"b"'},
    {"type": "function_call", "call_id": "c1", "name": "feed", "arguments": '{"n":1}', "namespace": "zoo"},
    {"type": "custom_tool_call", "call_id": "c2", "name": "draw", "input": "", "namespace": "zoo"},
    {"type": "tool_search_call", "call_id": "c3", "execution": "client", "arguments": {"query": "lions"}},
    {"type": "function_call", "call_id": "c4", "name": "unheard_of", "arguments": "{}"},
]


def test_calls_come_back_as_the_kinds_of_their_tools():
    raw = encoder(tools=table()).encode(CALLS)
    items = check(raw)["output"][1:]
    assert [{name: value for name, value in item.items() if name not in {"id", "status"}} for item in items] == ITEMS
    deltas = [event["delta"] for event in events_of(raw) if event["type"] == "response.custom_tool_call_input.delta"]
    assert deltas == ["a\n", '"b"']
    added = [event["item"] for event in events_of(raw) if event["type"] == "response.output_item.added"]
    assert added[1]["input"] == "" and added[4]["arguments"] == {} and added[1]["status"] == "in_progress"


def test_a_whole_response_has_the_same_items():
    body = json.loads(encode_response(CALLS, model="auto", created_s=7, echo={}, tools=table()))
    assert [{name: value for name, value in item.items() if name not in {"id", "status"}} for item in body["output"][1:]] == ITEMS


@settings(max_examples=100)
@given(st.text(), st.booleans(), st.lists(st.integers(0, 1000)))
def test_the_text_for_a_custom_tool_arrives_whole_however_it_is_cut(text, ensure_ascii, places):
    arguments = json.dumps({"input": text}, ensure_ascii=ensure_ascii)
    made = encoder(tools=table())
    raw = made.encode([ToolCallStarted(0, "c", "patch")])
    for piece in cut(arguments, places):
        raw += made.encode([ToolCallDelta(0, piece)])
    raw += made.encode([Finished(FinishReason.TOOL_CALLS)])
    assert check(raw)["output"][0]["input"] == text


@settings(max_examples=200)
@given(streams)
def test_any_chunks_make_a_stream_that_a_strict_client_accepts(frames):
    decoder, made = OpenAIDecoder(), encoder()
    raw = b"".join(made.encode(decoder.feed(frame)) for frame in frames)
    if events_of(raw)[-1]["type"] != "response.failed":
        check(raw)
