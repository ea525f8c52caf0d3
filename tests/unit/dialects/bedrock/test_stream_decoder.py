"""Converse and ConverseStream as events."""

from __future__ import annotations

import base64
import itertools
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoroute.dialects.bedrock.event_stream import EventStreamSplitter
from octoroute.dialects.bedrock.stream_decoder import ConverseDecoder
from octoroute.domain.events import (
    Failed,
    Finished,
    FinishReason,
    ImageProduced,
    SourceCited,
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
from octoroute.errors import BadUpstreamResponse, Throttled, UpstreamRejected
from tests.support.event_streams import encode_message, event, exception, text_stream

TOOLS = Path("tests/golden/streams/tools.bedrock.bin").read_bytes()
START = event("messageStart", role="assistant")


def read(*frames, names=None):
    decoder = ConverseDecoder(names)
    return [*(found for frame in frames for found in decoder.feed(frame)), *decoder.end()]


def body(*content, reason="end_turn", **more) -> bytes:
    output = {"message": {"role": "assistant", "content": list(content)}}
    return json.dumps({"output": output, "stopReason": reason, **more}).encode()


def delta(at=0, **fields):
    return event("contentBlockDelta", delta=fields, contentBlockIndex=at)


def call(at, id, name):
    return event("contentBlockStart", start={"toolUse": {"toolUseId": id, "name": name}}, contentBlockIndex=at)


def arguments(events, index):
    return json.loads("".join(found.arguments for found in events if isinstance(found, ToolCallDelta) and found.index == index))


@given(st.lists(st.integers(1, len(TOOLS) - 1), max_size=10))
def test_a_stream_cut_anywhere_says_the_same(cuts):
    places = sorted({0, len(TOOLS), *cuts})
    splitter = EventStreamSplitter()
    events = read(*(splitter.feed(TOOLS[start:end]) for start, end in itertools.pairwise(places)))
    assert events == read(TOOLS)
    assert "".join(found.text for found in events if isinstance(found, TextDelta)) == "Grüße, I will look."
    assert arguments(events, 0) == {"city": "Zürich"}
    assert arguments(events, 1) == {"a": 1, "b": [2, {"c": "}"}]}
    assert events[-1] == Finished(FinishReason.TOOL_CALLS, None, "tool_use")


def test_thinking_with_its_signature_and_redacted():
    frames = [
        START,
        delta(reasoningContent={"text": "Let me "}),
        delta(reasoningContent={"text": "see."}),
        delta(reasoningContent={"signature": "sig=="}),
        event("contentBlockStop", contentBlockIndex=0),
        delta(1, reasoningContent={"redactedContent": "AAEC"}),
        delta(2, text="Yes."),
        event("messageStop", stopReason="end_turn"),
    ]
    streamed = read(*frames)
    assert streamed == [
        Started(),
        ThinkingDelta("Let me "),
        ThinkingDelta("see."),
        ThinkingSigned("sig=="),
        ThinkingRedacted("AAEC"),
        TextDelta("Yes."),
        Finished(FinishReason.STOP, None, "end_turn"),
    ]
    whole = ConverseDecoder().decode_body(
        body(
            {"reasoningContent": {"reasoningText": {"text": "Let me see.", "signature": "sig=="}}},
            {"reasoningContent": {"redactedContent": "AAEC"}},
            {"text": "Yes."},
        )
    )
    assert whole == [streamed[0], ThinkingDelta("Let me see."), *streamed[3:]]


def test_usage_comes_after_the_reason_and_before_the_end():
    usage = {"inputTokens": 5, "outputTokens": 2, "totalTokens": 107, "cacheReadInputTokens": 60, "cacheWriteInputTokens": 40}
    frames = [*text_stream("hi")[:-1], event("metadata", usage=usage, metrics={"latencyMs": 1})]
    counted = UsageReported(Usage(input_tokens=105, output_tokens=2, cached_tokens=60, cache_write_tokens=40))
    assert read(*frames)[-2:] == [counted, Finished(FinishReason.STOP, None, "end_turn")]
    assert counted in ConverseDecoder().decode_body(body({"text": "hi"}, usage=usage))


def test_without_metadata_the_end_of_the_transfer_is_the_end():
    assert isinstance(read(*text_stream("hi")[:-1])[-1], Finished)
    assert not any(isinstance(found, Finished) for found in read(*text_stream("hi")[:-2]))


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("end_turn", FinishReason.STOP),
        ("stop_sequence", FinishReason.STOP),
        ("max_tokens", FinishReason.LENGTH),
        ("model_context_window_exceeded", FinishReason.LENGTH),
        ("guardrail_intervened", FinishReason.REFUSAL),
        ("content_filtered", FinishReason.REFUSAL),
        ("a_new_word", FinishReason.STOP),
    ],
)
def test_reasons(word, reason):
    assert read(*text_stream("hi", reason=word))[-1] == Finished(reason, None, word)
    assert ConverseDecoder().decode_body(body({"text": "hi"}, reason=word))[-1] == Finished(reason, None, word)


@pytest.mark.parametrize("word", ["malformed_tool_use", "malformed_model_output"])
def test_an_answer_that_is_called_malformed_is_a_failure(word):
    assert isinstance(read(*text_stream("hi", reason=word))[-1], Failed)
    with pytest.raises(BadUpstreamResponse):
        ConverseDecoder().decode_body(body({"text": "hi"}, reason=word))


def test_the_stop_sequence_is_told():
    stop = event("messageStop", stopReason="stop_sequence", additionalModelResponseFields={"stop_sequence": "END"})
    assert read(START, delta(text="a"), stop)[-1] == Finished(FinishReason.STOP, "END", "stop_sequence")
    fields = {"additionalModelResponseFields": {"stop_sequence": "END"}}
    assert ConverseDecoder().decode_body(body({"text": "a"}, reason="stop_sequence", **fields))[-1].stop_sequence == "END"


@pytest.mark.parametrize("fragments", [[], [""], ["{}"], ["{", "}"], ['{"a":', "1}"], ['{"a":1}', ""]])
def test_arguments_of_a_call_are_an_object(fragments):
    events = read(
        START,
        call(0, "t1", "f"),
        *(delta(toolUse={"input": text}) for text in fragments),
        event("contentBlockStop", contentBlockIndex=0),
        event("messageStop", stopReason="tool_use"),
    )
    assert events[1] == ToolCallStarted(0, "t1", "f")
    text = "".join(found.arguments for found in events if isinstance(found, ToolCallDelta))
    assert text in {"", "{}"} or json.loads(text) == {"a": 1}
    assert isinstance(events[-1], Finished)


@pytest.mark.parametrize("fragments", [['{"a":'], ["[1]"], ['"text"']])
def test_other_arguments_are_a_failure(fragments):
    frames = [START, call(0, "t1", "f"), *(delta(toolUse={"input": text}) for text in fragments)]
    assert isinstance(read(*frames, event("messageStop", stopReason="tool_use"))[-1], Failed)
    if fragments[0] == '{"a":':
        assert read(*frames, event("messageStop", stopReason="max_tokens"))[-1].reason is FinishReason.LENGTH


def test_input_of_a_whole_call_may_be_anything_that_means_an_object():
    for given_input, wanted in [({"a": 1}, {"a": 1}), ({}, {}), ('{"a": 1}', {"a": 1}), (None, {})]:
        events = ConverseDecoder().decode_body(
            body({"toolUse": {"toolUseId": "t", "name": "f", "input": given_input}}, reason="tool_use")
        )
        text = "".join(found.arguments for found in events if isinstance(found, ToolCallDelta))
        assert json.loads(text or "{}") == wanted
    with pytest.raises(BadUpstreamResponse):
        ConverseDecoder().decode_body(body({"toolUse": {"toolUseId": "t", "name": "f", "input": [1]}}, reason="tool_use"))


def test_names_are_the_clients_again_and_repeated_ids_are_left_to_the_encoder():
    frames = [START, call(0, "t", "safe"), call(1, "t", "f"), event("messageStop", stopReason="tool_use")]
    started = [found for found in read(*frames, names={"safe": "its own/name"}) if isinstance(found, ToolCallStarted)]
    assert started == [ToolCallStarted(0, "t", "its own/name"), ToolCallStarted(1, "", "f")]


def test_a_call_without_a_name_is_a_failure():
    assert isinstance(read(START, call(0, "t", ""))[-1], Failed)
    with pytest.raises(BadUpstreamResponse):
        ConverseDecoder().decode_body(body({"toolUse": {"toolUseId": "t", "name": "", "input": {}}}))


def test_tools_that_ran_at_the_server_are_no_calls():
    start = {"toolUse": {"toolUseId": "t", "name": "search", "type": "server_tool_use"}}
    frames = [
        START,
        event("contentBlockStart", start=start, contentBlockIndex=0),
        delta(toolUse={"input": '{"q":1}'}),
        event("contentBlockStop", contentBlockIndex=0),
        event("contentBlockStart", start={"toolResult": {"toolUseId": "t"}}, contentBlockIndex=1),
        delta(1, toolResult=[{"text": "found"}]),
        event("contentBlockStop", contentBlockIndex=1),
        delta(2, text="Found."),
        event("messageStop", stopReason="end_turn"),
    ]
    assert read(*frames) == [Started(), TextDelta("Found."), Finished(FinishReason.STOP, None, "end_turn")]


def test_images_whole_and_in_pieces():
    data = base64.b64encode(b"0123456789").decode()
    halves = [base64.b64encode(part).decode() for part in (b"0123", b"456789")]
    frames = [
        START,
        event("contentBlockStart", start={"image": {"format": "jpeg"}}, contentBlockIndex=0),
        *(delta(image={"source": {"bytes": half}}) for half in halves),
        event("contentBlockStop", contentBlockIndex=0),
        event("messageStop", stopReason="end_turn"),
    ]
    assert read(*frames)[1] == ImageProduced("image/jpeg", data)
    whole = ConverseDecoder().decode_body(body({"image": {"format": "png", "source": {"bytes": data}}}))
    assert whole[1] == ImageProduced("image/png", data)
    with pytest.raises(BadUpstreamResponse):
        read(START, frames[1], delta(image={"source": {"bytes": "?"}}))


def test_cited_text_is_text():
    cited = {"citationsContent": {"content": [{"text": "Ulm has "}, {"text": "a spire."}], "citations": []}}
    assert ConverseDecoder().decode_body(body(cited))[1:3] == [TextDelta("Ulm has "), TextDelta("a spire.")]


def test_an_exception_at_any_place_is_a_failure_and_nothing_follows():
    frames = [*text_stream("one")[:2], exception("throttlingException", "slow down"), *text_stream("more")]
    assert read(*frames) == [Started(), TextDelta("one"), Failed("rate_limit_error", "slow down", "throttlingException")]
    error = {":message-type": "error", ":error-code": "InternalServerException", ":error-message": "it broke"}
    assert read(START, encode_message(error, b""))[-1] == Failed("api_error", "it broke", "InternalServerException")


def test_what_precedes_a_damaged_message_is_delivered():
    frames = text_stream("one")
    broken = bytearray(frames[2])
    broken[-1] ^= 1
    events = read(b"".join(frames[:2]) + bytes(broken))
    assert events[:2] == [Started(), TextDelta("one")]
    assert isinstance(events[2], Failed)
    with pytest.raises(BadUpstreamResponse):
        read(bytes(broken))


def test_unknown_events_and_members_cost_nothing():
    frames = [START, event("somethingNew", value=1), delta(citation={"title": "t"}), delta(text="a", p="abc")]
    assert read(*frames) == [Started(), TextDelta("a")]


def test_an_end_without_a_beginning_is_refused():
    with pytest.raises(BadUpstreamResponse):
        read(event("messageStop", stopReason="end_turn"))


@pytest.mark.parametrize("data", [b"{}", b"[]", b"", b'{"output":{}}', b'{"output":{"message":{"content":[]}}}'])
def test_a_body_that_is_no_response(data):
    with pytest.raises(BadUpstreamResponse):
        ConverseDecoder().decode_body(data)


def test_an_error_in_place_of_a_response():
    with pytest.raises(Throttled):
        ConverseDecoder().decode_body(
            b'{"__type":"ThrottlingException","message":"Too many requests","error":{"type":"ThrottlingException"}}'
        )
    with pytest.raises((UpstreamRejected, BadUpstreamResponse)):
        ConverseDecoder().decode_body(b'{"message":"it is wrong","error":true}')


LOCATIONS = [
    ({"web": {"url": "https://a.org", "domain": "a.org"}}, {"url": "https://a.org"}),
    ({"documentChar": {"documentIndex": 1, "start": 2, "end": 9}}, {"document": 1, "place": ("char", 2, 9)}),
    ({"documentPage": {"documentIndex": 0, "start": 1, "end": 2}}, {"document": 0, "place": ("page", 1, 2)}),
    ({"documentChunk": {"documentIndex": 0, "start": 3}}, {"document": 0, "place": ("block", 3, 0)}),
    ({}, {}),
]


@pytest.mark.parametrize(("location", "fields"), LOCATIONS)
def test_citations_are_for_their_block(location, fields):
    citation = {"title": "T", "sourceContent": [{"text": "pas"}, {"text": "sage"}], "location": location}
    cited = SourceCited(title="T", quote="passage", start=4, end=9, **fields)
    frames = [START, delta(text="Süß "), delta(1, text="zw"), delta(1, citation=citation), delta(1, text="ei.")]
    frames += [event("contentBlockStop", contentBlockIndex=1), delta(2, text="x"), event("messageStop", stopReason="end_turn")]
    assert [found for found in read(*frames) if isinstance(found, SourceCited)] == [cited]
    content = {"content": [{"text": "zwei."}], "citations": [citation]}
    whole = ConverseDecoder().decode_body(body({"text": "Süß "}, {"citationsContent": content}, {"text": "x"}))
    assert [found for found in whole if isinstance(found, SourceCited)] == [cited]
