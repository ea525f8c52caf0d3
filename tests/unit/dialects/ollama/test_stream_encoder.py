"""Events as Ollama's responses."""

from __future__ import annotations

import json
from itertools import count

import pytest

from octoroute.dialects.ollama.stream_encoder import OllamaEncoder, ResponseShape, write_loaded
from octoroute.domain.events import (
    Failed,
    Finished,
    FinishReason,
    ImageProduced,
    Ping,
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
from octoroute.errors import BadUpstreamResponse, Throttled

STOP = Finished(FinishReason.STOP)
CALLS = (
    TextDelta("Let me see."),
    ToolCallStarted(0, "c1", "f"),
    ToolCallDelta(0, '{"a":'),
    ToolCallDelta(0, "1}"),
    ToolCallStarted(1, "c2", "g"),
    UsageReported(Usage(input_tokens=10, output_tokens=7)),
    Finished(FinishReason.TOOL_CALLS),
)


def encoder(*, chat=True, show_thinking=True):
    ticks = count(1001)
    return OllamaEncoder(ResponseShape("auto", chat, show_thinking, 1000.0), lambda: float(next(ticks)), input_tokens=9)


def lines(*events, **more):
    made = encoder(**more)
    raw = b"".join(made.encode([event]) for event in events)
    assert raw.endswith(b"\n") and b"\n\n" not in raw
    return [json.loads(line) for line in raw.splitlines()]


def whole(*events, **more):
    return json.loads(encoder(**more).body(events))


def test_a_text():
    first, second, last = lines(Started("u", "m", None), TextDelta("Grü"), Ping(), TextDelta("ße"), STOP)
    assert first == {
        "model": "auto",
        "created_at": "1970-01-01T00:16:41.000000Z",
        "message": {"role": "assistant", "content": "Grü"},
        "done": False,
    }
    assert second["message"]["content"] == "ße"
    assert (last["done"], last["done_reason"], last["message"]["content"]) == (True, "stop", "")
    assert (last["prompt_eval_count"], last["eval_count"]) == (9, 2)
    assert last["total_duration"] >= last["prompt_eval_duration"] + last["eval_duration"] - 2_000_000_000 > 0
    assert whole(TextDelta("Grü"), TextDelta("ße"), STOP)["message"] == {"role": "assistant", "content": "Grüße"}


def test_a_prompts_answer_is_a_text():
    first, last = lines(TextDelta("a"), STOP, chat=False)
    assert (first["response"], first["done"], last["response"], last["done"]) == ("a", False, "", True)
    assert "message" not in first
    answer = whole(ThinkingDelta("hm"), TextDelta("a"), STOP, chat=False)
    assert (answer["response"], answer["thinking"], answer["done"]) == ("a", "hm", True)


def test_calls_are_whole_and_their_arguments_objects():
    text, first, second, last = lines(*CALLS)
    assert text["message"]["content"] == "Let me see."
    assert first["message"]["tool_calls"] == [{"id": "c1", "function": {"index": 0, "name": "f", "arguments": {"a": 1}}}]
    assert second["message"]["tool_calls"] == [{"id": "c2", "function": {"index": 1, "name": "g", "arguments": {}}}]
    assert (last["done_reason"], last["eval_count"], last["prompt_eval_count"]) == ("stop", 7, 10)
    message = whole(*CALLS)["message"]
    assert [call["id"] for call in message["tool_calls"]] == ["c1", "c2"]
    assert message["content"] == "Let me see."


def test_thinking_is_hidden_from_those_who_turned_it_off():
    events = (ThinkingDelta("hm"), ThinkingSigned("sig"), TextDelta("so"), STOP)
    shown, text, _ = lines(*events)
    assert (shown["message"], text["message"]["content"]) == ({"role": "assistant", "content": "", "thinking": "hm"}, "so")
    assert len(lines(*events, show_thinking=False)) == 2
    assert "thinking" not in whole(*events, show_thinking=False)["message"]


def test_a_picture():
    events = (TextDelta("see"), ImageProduced("image/png", "AAAA"), STOP)
    assert lines(*events)[1]["message"]["images"] == ["AAAA"]
    assert whole(*events)["message"]["images"] == ["AAAA"]


@pytest.mark.parametrize(
    ("finished", "reason"),
    [(FinishReason.LENGTH, "length"), (FinishReason.REFUSAL, "stop"), (FinishReason.TOOL_CALLS, "stop")],
)
def test_done_reasons(finished, reason):
    assert lines(RefusalDelta("no"), Finished(finished))[-1]["done_reason"] == reason
    assert whole(Finished(finished))["done_reason"] == reason


def test_a_failure_is_an_error_and_no_end():
    made = encoder()
    raw = made.encode([TextDelta("half"), Failed("rate_limit_error", "slow down")])
    assert made.encode([TextDelta("more"), STOP]) == b"" == made.fail(Throttled("again"), "r")
    half, error = map(json.loads, raw.splitlines())
    assert half["message"]["content"] == "half" and set(error) == {"error"}
    with pytest.raises(Throttled):
        encoder().body([Failed("rate_limit_error", "slow down")])
    assert json.loads(encoder().fail(BadUpstreamResponse("it broke"), "r")) == {"error": "it broke"}


@pytest.mark.parametrize("unload", [True, False])
def test_a_request_that_only_loads(unload):
    told = json.loads(write_loaded("m", lambda: 0.0, unload=unload))
    assert (told["done"], told["response"], told["message"]["content"]) == (True, "", "")
    assert told["done_reason"] == ("unload" if unload else "load")
