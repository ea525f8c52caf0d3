"""The Chat Completions stream a client gets: chunks, usage, and its end."""

from __future__ import annotations

from tests.support.chunks import anthropic, openai_events
from tests.support.dialects.messages_to_chat_stream import START, STOP, block, call, delta, raw_of, text, translate


def test_p19_usage_has_both_sides():
    message = translate(START, text(0, "Hi"), delta(), STOP, include_usage=True)
    assert (message["usage"]["prompt_tokens"], message["usage"]["completion_tokens"]) == (25, 9)


def test_p35_parallel_calls_are_numbered_among_themselves():
    message = translate(
        START, text(0, "Let me"), call(1, "a", "f", '{"x":1}'), call(2, "b", "g", '{"y":', "2}"), delta("tool_use"), STOP
    )
    assert message["tool_calls"] == [
        {"id": "a", "name": "f", "arguments": '{"x":1}'},
        {"id": "b", "name": "g", "arguments": '{"y":2}'},
    ]


def test_p37_a_tool_call_is_whole():
    message = translate(START, call(0, "toolu_1", "get", '{"x":1}'), delta("tool_use"), STOP)
    assert message["finish"] == "tool_calls" and message["done"]
    assert message["tool_calls"] == [{"id": "toolu_1", "name": "get", "arguments": '{"x":1}'}]


def test_p38_usage_only_for_who_asked():
    frames = (START, text(0, "Hi"), delta(), STOP)
    assert not any("usage" in event for event in openai_events(raw_of(*frames)) if event != "[DONE]")
    events = openai_events(raw_of(*frames, include_usage=True))
    counted = [event for event in events if event != "[DONE]" and event["usage"]]
    assert len(counted) == 1 and counted[0]["choices"] == [] and events[-2:] == [counted[0], "[DONE]"]
    assert all(event["usage"] is None for event in events[:-2])


def test_all_chunks_share_id_created_and_model():
    events = openai_events(raw_of(START, text(0, "Hi", " there"), delta(), STOP))[:-1]
    assert {(event["id"], event["created"], event["model"]) for event in events} == {("chatcmpl-" + "0" * 24, 7, "auto")}
    assert events[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}


def test_a_ping_is_a_comment():
    assert b": ping\n\n" in raw_of(START, anthropic("ping"), text(0, "Hi"), delta(), STOP)


def test_thinking_and_its_signature():
    frames = (
        START,
        block(
            0,
            {"type": "thinking", "thinking": "", "signature": ""},
            {"type": "thinking_delta", "thinking": "hm"},
            {"type": "signature_delta", "signature": "sig=="},
        ),
        text(1, "Hi"),
        delta(),
        STOP,
    )
    assert translate(*frames)["reasoning"] == "hm"
    assert translate(*frames, show_thinking=False)["reasoning"] == ""
    details = [
        event["choices"][0]["delta"]["reasoning_details"]
        for event in openai_events(raw_of(*frames))[:-1]
        if "reasoning_details" in event["choices"][0]["delta"]
    ]
    assert details == [
        [
            {
                "type": "reasoning.text",
                "text": "hm",
                "signature": "sig==",
                "format": "anthropic-claude-v1",
                "id": "octo.1.anthropic",
                "index": 0,
            }
        ]
    ]
    assert b"reasoning_details" not in raw_of(*frames, show_thinking=False)
