"""Streams of endpoints that speak Responses, as complete and as careless as they are."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from octoroute.dialects.responses.stream_decoder import ResponsesDecoder
from octoroute.domain.events import (
    Failed,
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
from octoroute.errors import BadUpstreamResponse

CREATED = {"type": "response.created", "response": {"id": "resp_1", "model": "m", "status": "in_progress", "output": []}}
DONE = {"type": "response.completed", "response": {"id": "resp_1", "status": "completed", "output": []}}
CALL = {"type": "function_call", "id": "fc", "call_id": "c", "name": "f_x", "arguments": ""}


def frame(event):
    return f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode()


def decoded(*events, **options):
    decoder = ResponsesDecoder(**options)
    return [event for one in events for event in decoder.feed(frame(one))] + list(decoder.end())


def item(kind, index, **fields):
    return {"type": f"response.output_item.{kind}", "output_index": index, "item": fields}


def delta(kind, index, text, **more):
    return {"type": f"response.{kind}.delta", "output_index": index, "delta": text, **more}


def test_a_stream():
    usage = {"input_tokens": 9, "output_tokens": 4, "output_tokens_details": {"reasoning_tokens": 1}}
    assert decoded(
        CREATED,
        {**CREATED, "type": "response.in_progress"},
        item("added", 0, type="reasoning", id="rs", summary=[]),
        delta("reasoning_summary_text", 0, "a", summary_index=0),
        {"type": "response.reasoning_summary_part.added", "output_index": 0, "summary_index": 1},
        delta("reasoning_summary_text", 0, "b", summary_index=1),
        delta("reasoning_text", 0, "the same once more"),
        item("done", 0, type="reasoning", id="rs", summary=[{"type": "summary_text", "text": "a"}], encrypted_content="gAAA"),
        item("added", 1, type="message", id="m", content=[]),
        delta("output_text", 1, "hi"),
        delta("refusal", 1, "no"),
        item("done", 1, type="message", id="m", content=[{"type": "output_text", "text": "hi"}]),
        item("added", 2, **CALL),
        delta("function_call_arguments", 2, '{"a"'),
        delta("function_call_arguments", 2, ":1}"),
        item("done", 2, **{**CALL, "arguments": '{"a":1}'}),
        {"type": "response.completed", "response": {"status": "completed", "usage": usage}},
        names={"f_x": "f.x"},
    ) == [
        Started("resp_1", "m"),
        ThinkingDelta("a"),
        ThinkingDelta("\n\n"),
        ThinkingDelta("b"),
        ThinkingSigned("rs.gAAA", "responses"),
        TextDelta("hi"),
        RefusalDelta("no"),
        ToolCallStarted(0, "c", "f.x"),
        ToolCallDelta(0, '{"a"'),
        ToolCallDelta(0, ":1}"),
        UsageReported(Usage(input_tokens=9, output_tokens=4, reasoning_tokens=1)),
        Finished(FinishReason.TOOL_CALLS, None, "completed"),
    ]


def test_that_it_was_created_is_no_answer_yet():
    assert decoded(CREATED, {"type": "response.queued"}) == []
    failed = {"type": "response.failed", "response": {"status": "failed", "error": {"code": "server_error", "message": "boom"}}}
    assert decoded(CREATED, failed) == [Failed("api_error", "boom", "server_error")]


CARELESS = [
    ([item("done", 0, type="message", content=[{"type": "output_text", "text": "hi"}])], [TextDelta("hi")]),
    ([delta("output_text", 0, "hi")], [TextDelta("hi")]),
    ([delta("output_text", None, "h"), delta("output_text", None, "i")], [TextDelta("h"), TextDelta("i")]),
    (
        [item("done", 0, **{**CALL, "arguments": "{}"})],
        [ToolCallStarted(0, "c", "f_x"), ToolCallDelta(0, "{}")],
    ),
    (
        [item("added", 0, type="function_call"), item("done", 0, **{**CALL, "arguments": "{}"})],
        [ToolCallStarted(0, "c", "f_x"), ToolCallDelta(0, "{}")],
    ),
    (
        [
            item("added", 0, **CALL),
            item("added", 1, **{**CALL, "call_id": "d"}),
            delta("function_call_arguments", 1, "2"),
            delta("function_call_arguments", 0, "1"),
            item("done", 1, **CALL),
            item("done", 0, **CALL),
        ],
        [ToolCallStarted(0, "c", "f_x"), ToolCallDelta(0, "1"), ToolCallStarted(1, "d", "f_x"), ToolCallDelta(1, "2")],
    ),
    ([item("added", 0, **CALL), delta("function_call_arguments", 0, "1")], [ToolCallStarted(0, "c", "f_x"), ToolCallDelta(0, "1")]),
    ([item("added", 0, type="web_search_call"), delta("something.new", 0, "x")], []),
]


@pytest.mark.parametrize(("events", "expected"), CARELESS)
def test_servers_that_leave_events_out_or_mix_items(events, expected):
    found = decoded(CREATED, *events, DONE)
    assert found[:-1] == [Started("resp_1", "m"), *expected]
    assert isinstance(found[-1], Finished)


def test_only_the_final_response():
    output = [{"type": "message", "content": [{"type": "output_text", "text": "hi"}]}, {**CALL, "arguments": "{}"}]
    found = decoded({"type": "response.completed", "response": {"id": "r", "status": "completed", "output": output}})
    assert found[1:-1] == [TextDelta("hi"), ToolCallStarted(0, "c", "f_x"), ToolCallDelta(0, "{}")]


@pytest.mark.parametrize(
    ("event", "failed"),
    [
        (
            {"type": "error", "code": "rate_limit_exceeded", "message": "slow"},
            Failed("rate_limit_error", "slow", "rate_limit_exceeded"),
        ),
        ({"type": "error", "error": {"type": "server_error", "message": "boom"}}, Failed("api_error", "boom")),
        ({"type": "response.failed", "response": {"error": None}}, Failed("api_error", "the upstream reported an error")),
        (
            {"type": "response.completed", "response": {"error": {"code": "server_error", "message": "late"}}},
            Failed("api_error", "late", "server_error"),
        ),
    ],
)
def test_failures(event, failed):
    assert decoded(CREATED, delta("output_text", 0, "half"), event, delta("output_text", 0, "more")) == [
        Started("resp_1", "m"),
        TextDelta("half"),
        failed,
    ]


def test_a_call_without_a_name_fails():
    assert isinstance(decoded(CREATED, item("added", 0, type="function_call"), DONE)[-1], Failed)


def test_a_stream_that_ends_early_has_no_end():
    assert not [event for event in decoded(CREATED, delta("output_text", 0, "half")) if isinstance(event, Finished)]


def test_what_events_cannot_hold_is_refused_if_it_must_not_be_lost():
    with pytest.raises(BadUpstreamResponse):
        decoded(CREATED, item("added", 0, type="custom_tool_call", name="p"), strict=True)


def test_what_is_not_of_the_format():
    with pytest.raises(BadUpstreamResponse):
        ResponsesDecoder().feed(b"data: nonsense\n\n")
    assert ResponsesDecoder().feed(b": ping\n\ndata: [DONE]\n\n") == []


index = st.one_of(st.none(), st.integers(0, 2))
kinds = st.sampled_from(["message", "reasoning", "function_call", "web_search_call", ""])
events = st.one_of(
    st.builds(
        lambda kind, at, type, name: item(kind, at, type=type, **name),
        st.sampled_from(["added", "done"]),
        index,
        kinds,
        st.sampled_from([{}, {"name": "f"}, {"name": "f", "arguments": "{}"}]),
    ),
    st.builds(
        delta, st.sampled_from(["output_text", "function_call_arguments", "reasoning_text", "refusal"]), index, st.text(max_size=3)
    ),
    st.sampled_from([CREATED, DONE]),
)


@settings(max_examples=300)
@given(st.lists(events, max_size=12))
def test_any_order_of_events_keeps_the_rules_of_events(sent):
    found = decoded(*sent)
    assert sum(isinstance(event, Started) for event in found) <= 1 and (not found or isinstance(found[0], Started | Failed))
    assert not [event for event in found[:-1] if isinstance(event, Finished | Failed)]
    begun = [event.index for event in found if isinstance(event, ToolCallStarted)]
    assert begun == list(range(len(begun)))
    last = -1
    for event in found:
        if isinstance(event, ToolCallStarted):
            last = event.index
        elif isinstance(event, ToolCallDelta):
            assert event.index == last, "arguments outside their call"


@pytest.mark.parametrize("index", [{}, [1], 0.5, None])
def test_a_number_of_an_item_that_is_none(index):
    told = decoded(
        item("added", index, type="message"),
        delta("output_text", index, "hi"),
        item("done", index, type="message"),
        {"type": "response.completed", "response": {"status": "completed"}},
    )
    assert TextDelta("hi") in told and isinstance(told[-1], Finished)
