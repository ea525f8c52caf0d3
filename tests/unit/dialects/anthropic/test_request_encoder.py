"""Parameters, tools, and thinking of a Messages request, for each generation of models."""

from __future__ import annotations

import json

import pytest

from octoroute.dialects.openai.request_decoder import decode_request
from octoroute.errors import BadRequest
from tests.support.dialects.chat_to_messages_request import NEW, OLD, SONNET, ask, call, said, tool, user

FUNCTION = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}


def test_p72_without_max_tokens():
    assert ask(user("a"))["max_tokens"] == 8192
    assert ask(user("a"), default=4096)["max_tokens"] == 4096
    assert ask(user("a"), max_completion_tokens=7, max_tokens=9)["max_tokens"] == 7
    assert ask(user("a"), max_tokens=64000, limit=8192)["max_tokens"] == 8192


def test_p73_temperature():
    notes = []
    assert ask(user("a"), temperature=1.7, notes=notes)["temperature"] == 1 and "temperature" in notes[0]
    both = ask(user("a"), temperature=0.5, top_p=0.9)
    assert both["temperature"] == 0.5 and "top_p" not in both
    assert ask(user("a"), temperature=0.5, top_p=0.9, model=OLD)["top_p"] == 0.9
    for model in (NEW, "claude-opus-4-8"):
        assert "temperature" not in ask(user("a"), temperature=0.5, model=model)


def test_p74_no_parallel_calls():
    assert ask(user("a"), tools=[FUNCTION], parallel_tool_calls=False)["tool_choice"] == {
        "type": "auto",
        "disable_parallel_tool_use": True,
    }
    assert "tool_choice" not in ask(user("a"), parallel_tool_calls=False)


@pytest.mark.parametrize(
    ("effort", "model", "thinking", "config"),
    [
        ("none", SONNET, {"type": "disabled"}, None),
        ("minimal", SONNET, {"type": "disabled"}, None),
        ("low", SONNET, {"type": "enabled", "budget_tokens": 2048}, None),
        ("high", SONNET, {"type": "enabled", "budget_tokens": 24576}, None),
        ("high", "claude-opus-4-6", {"type": "adaptive", "display": "summarized"}, {"effort": "high"}),
        ("max", NEW, {"type": "adaptive", "display": "summarized"}, {"effort": "max"}),
        ("high", OLD, None, None),
    ],
)
def test_effort_as_thinking(effort, model, thinking, config):
    body = ask(user("a"), reasoning_effort=effort, model=model)
    assert body.get("thinking") == thinking and body.get("output_config") == config
    assert thinking is None or body["max_tokens"] > thinking.get("budget_tokens", 0)


@pytest.mark.parametrize(
    ("max_tokens", "effort", "budget", "sent"),
    [(4000, "high", 3200, 4000), (100, "low", 1024, 1124), (60_000, "high", 24576, 60_000)],
)
def test_a_budget_leaves_room_for_the_answer(max_tokens, effort, budget, sent):
    body = ask(user("a"), reasoning_effort=effort, max_tokens=max_tokens)
    assert (body["thinking"]["budget_tokens"], body["max_tokens"]) == (budget, sent)


@pytest.mark.parametrize(
    ("messages", "fields"),
    [
        ([user("a")], {"tools": [FUNCTION], "tool_choice": "required"}),
        ([user("a"), said("b")], {}),
        ([user("a")], {"temperature": 0.3}),
        ([user("a"), said(None, call()), tool()], {"tools": [FUNCTION]}),
    ],
)
def test_what_thinking_cannot_be_had_with(messages, fields):
    notes = []
    assert "thinking" not in ask(*messages, reasoning_effort="high", notes=notes, **fields)
    assert any(note.startswith("thinking") for note in notes)


def test_tool_choice_and_allowed_tools():
    other = {"type": "function", "function": {"name": "g"}}
    assert ask(user("a"), tools=[FUNCTION], tool_choice="none")["tool_choice"] == {"type": "none"}
    assert ask(user("a"), tools=[FUNCTION], tool_choice="required")["tool_choice"] == {"type": "any"}
    named = {"type": "function", "function": {"name": "f"}}
    assert ask(user("a"), tools=[FUNCTION], tool_choice=named)["tool_choice"] == {"type": "tool", "name": "f"}
    allowed = {
        "type": "allowed_tools",
        "allowed_tools": {"mode": "required", "tools": [{"type": "function", "function": {"name": "g"}}]},
    }
    body = ask(user("a"), tools=[FUNCTION, other], tool_choice=allowed)
    assert [tool["name"] for tool in body["tools"]] == ["g"] and body["tool_choice"] == {"type": "any"}
    assert body["tools"][0]["input_schema"] == {"type": "object", "properties": {}}


def test_a_structured_answer():
    schema = {"type": "object", "properties": {"a": {"type": "string"}}}
    wanted = {"response_format": {"type": "json_schema", "json_schema": {"name": "out", "schema": schema}}}
    assert ask(user("a"), **wanted)["output_config"] == {
        "format": {"type": "json_schema", "schema": {**schema, "additionalProperties": False}}
    }
    forced = ask(user("a"), model=OLD, **wanted)
    assert forced["tools"][0]["input_schema"] == schema and forced["tool_choice"] == {"type": "tool", "name": "structured_answer"}
    assert "JSON" in ask(user("a"), response_format={"type": "json_object"})["system"][0]["text"]


def test_a_forced_structured_answer_comes_back_as_text():
    from octoroute.dialects.anthropic.outbound import AnthropicOutbound
    from octoroute.domain.endpoint import Endpoint, Tier
    from octoroute.domain.events import Finished, FinishReason, TextDelta, ToolCallStarted

    endpoint = Endpoint(id="e", name="e", tier=Tier.FAST, kind="anthropic", provider="anthropic", base_url="http://x", model=OLD)
    wanted = {"type": "json_schema", "json_schema": {"name": "out", "schema": {"type": "object", "properties": {}}}}
    conversation = decode_request(json.dumps({"messages": [user("a")], "response_format": wanted}).encode())
    answer = {
        "content": [{"type": "tool_use", "id": "t", "name": "structured_answer", "input": {"a": 1}}],
        "stop_reason": "tool_use",
    }
    events = AnthropicOutbound().decode_response(json.dumps(answer).encode(), conversation, endpoint)
    assert TextDelta('{"a":1}') in events and not any(isinstance(event, ToolCallStarted) for event in events)
    assert isinstance(events[-1], Finished) and events[-1].reason is FinishReason.STOP


def test_what_the_format_cannot_say_is_noted():
    notes = []
    ask(user("a"), seed=1, presence_penalty=0.5, notes=notes)
    assert {note.split(":")[0] for note in notes} == {"seed", "presence_penalty"}
    conversation = decode_request(
        json.dumps({"messages": [user("a")], "logit_bias": {"1": 2}, "store": False, "verbosity": "low"}).encode()
    )
    assert set(conversation.ignored) == {"logit_bias", "verbosity"}


def test_audio_cannot_be_sent():
    with pytest.raises(BadRequest, match="audio"):
        ask(user([{"type": "input_audio", "input_audio": {"data": "AA", "format": "wav"}}]))


def test_the_user_is_hashed_when_it_looks_personal():
    assert ask(user("a"), user="u-17")["metadata"] == {"user_id": "u-17"}
    assert "@" not in ask(user("a"), user="ann@example.org")["metadata"]["user_id"]


def test_max_tokens_is_reduced_to_the_models_limit():
    notes = []
    assert ask(user("a"), default=900, limit=500, notes=notes)["max_tokens"] == 500
    assert notes == ["max_tokens: 900 reduced to 500, the model's limit"]
