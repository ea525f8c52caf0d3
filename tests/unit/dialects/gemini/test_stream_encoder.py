"""Events as Gemini's responses, checked by the types of Google's own SDK."""

from __future__ import annotations

import json

import pytest

from octoroute.dialects.gemini.marks import CALL, decode_mark
from octoroute.dialects.gemini.stream_encoder import GeminiEncoder
from octoroute.dialects.response.sse import read_frames
from octoroute.domain.events import (
    Failed,
    Finished,
    FinishReason,
    Ping,
    RefusalDelta,
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
from octoroute.errors import BadUpstreamResponse, Throttled
from tests.support.chunks import numbered

STOP = Finished(FinishReason.STOP)
CALLS = (
    TextDelta("Let me see."),
    ToolCallStarted(0, "c1", "f"),
    ToolCallDelta(0, '{"a":'),
    ToolCallDelta(0, "1}"),
    ToolCallStarted(1, "", "g"),
    UsageReported(Usage(input_tokens=10, output_tokens=7, cached_tokens=4, reasoning_tokens=2)),
    Finished(FinishReason.TOOL_CALLS),
)


def encoder(**more):
    return GeminiEncoder(model="auto", input_tokens=9, new_id=numbered(), **more)


def checked(body):
    types = pytest.importorskip("google.genai.types", reason="the e2e group is not installed")
    types.GenerateContentResponse.model_validate(body)
    return body


def streamed(*events, one_by_one=True, **more):
    """The chunks of a stream."""
    made = encoder(**more)
    raw = b"".join(made.encode([event]) for event in events) if one_by_one else made.encode(events)
    return [checked(json.loads(data)) for _, data in read_frames(raw)]


def parts_of(*chunks):
    return [part for chunk in chunks for part in chunk["candidates"][0]["content"]["parts"]]


def whole(*events, **more):
    return checked(json.loads(encoder(**more).body(events)))


def test_a_text():
    chunks = streamed(Started("up", "m", None), TextDelta("Grü"), Ping(), TextDelta("ße"), STOP)
    assert parts_of(*chunks) == [{"text": "Grü"}, {"text": "ße"}]
    assert {chunk["modelVersion"] for chunk in chunks} == {"auto"}
    assert len({chunk["responseId"] for chunk in chunks}) == 1
    assert [chunk["candidates"][0].get("finishReason") for chunk in chunks] == [None, None, "STOP"]
    assert chunks[-1]["usageMetadata"] == {"promptTokenCount": 9, "candidatesTokenCount": 2, "totalTokenCount": 11}
    assert parts_of(whole(TextDelta("Grü"), TextDelta("ße"), STOP)) == [{"text": "Grüße"}]


@pytest.mark.parametrize("one_by_one", [True, False])
def test_calls_are_whole_and_the_first_is_signed(one_by_one):
    chunks = streamed(*CALLS, one_by_one=one_by_one)
    text, first, second = parts_of(*chunks)
    assert text == {"text": "Let me see."}
    assert first["functionCall"] == {"id": "c1", "name": "f", "args": {"a": 1}}
    assert decode_mark(first["thoughtSignature"]) == (CALL, "-")
    assert second["functionCall"]["args"] == {} and second["functionCall"]["id"]
    assert "thoughtSignature" not in second
    assert chunks[-1]["candidates"][0]["finishReason"] == "STOP"
    assert chunks[-1]["usageMetadata"] == {
        "promptTokenCount": 10,
        "candidatesTokenCount": 5,
        "thoughtsTokenCount": 2,
        "cachedContentTokenCount": 4,
        "totalTokenCount": 17,
    }
    assert parts_of(whole(*CALLS))[1] == first


def test_geminis_own_signature_is_kept():
    (part,) = parts_of(whole(ToolCallStarted(0, "c", "f", "CiQB"), Finished(FinishReason.TOOL_CALLS)))
    assert part["thoughtSignature"] == "CiQB"


def test_arguments_that_are_no_object_stay_readable():
    (part,) = parts_of(whole(ToolCallStarted(0, "c", "f"), ToolCallDelta(0, '{"a":'), STOP))
    assert part["functionCall"]["args"] == {"_invalid_json": '{"a":'}


def test_thinking_is_shown_to_those_who_asked():
    events = (ThinkingDelta("hm"), ThinkingSigned("sig"), TextDelta("so"), STOP)
    shown = parts_of(whole(*events))
    assert shown[0] | {"thoughtSignature": None} == {"text": "hm", "thought": True, "thoughtSignature": None}
    assert decode_mark(shown[0]["thoughtSignature"]) == ("anthropic", "sig")
    assert shown[1] == {"text": "so"}
    hidden = parts_of(whole(*events, show_thinking=False))
    assert hidden == [{"text": "so"}]
    omitted, _ = parts_of(whole(*events[1:], show_thinking=False))
    assert decode_mark(omitted["thoughtSignature"]) == ("anthropic", "sig")
    first, signed, _ = parts_of(*streamed(*events))
    assert (first, signed["text"]) == ({"text": "hm", "thought": True}, "")


def test_redacted_thinking_and_geminis_own():
    redacted, own = parts_of(*streamed(ThinkingRedacted("xyz"), ThinkingSigned("CiQB", "gemini"), STOP))
    assert decode_mark(redacted["thoughtSignature"]) == ("redacted", "xyz")
    assert own["thoughtSignature"] == "CiQB"


@pytest.mark.parametrize(
    ("events", "reason"),
    [
        ([Finished(FinishReason.LENGTH)], "MAX_TOKENS"),
        ([Finished(FinishReason.REFUSAL)], "SAFETY"),
        ([Finished(FinishReason.REFUSAL, None, "PROHIBITED_CONTENT")], "PROHIBITED_CONTENT"),
        ([Finished(FinishReason.PAUSE)], "STOP"),
        ([RefusalDelta("no"), STOP], "SAFETY"),
        ([Finished(FinishReason.STOP, "END", "OTHER")], "STOP"),
    ],
)
def test_finish_reasons(events, reason):
    assert whole(*events)["candidates"][0]["finishReason"] == reason
    assert streamed(*events)[-1]["candidates"][0]["finishReason"] == reason


def test_a_failure_is_an_error_and_no_end():
    made = encoder()
    raw = made.encode([TextDelta("half"), Failed("rate_limit_error", "slow down")])
    assert made.encode([TextDelta("more"), STOP]) == b""
    assert made.fail(Throttled("again"), "r") == b""
    half, error = [json.loads(data) for _, data in read_frames(raw)]
    assert parts_of(half) == [{"text": "half"}]
    assert error["error"]["status"] == "RESOURCE_EXHAUSTED"
    with pytest.raises(Throttled):
        encoder().body([Failed("rate_limit_error", "slow down")])


def test_a_broken_stream_ends_with_the_error():
    made = encoder()
    made.encode([TextDelta("half")])
    ((_, data),) = read_frames(made.fail(BadUpstreamResponse("it broke"), "req-1"))
    assert json.loads(data)["error"]["code"] == 502
    assert b"req-1" in data and b"it broke" in data
