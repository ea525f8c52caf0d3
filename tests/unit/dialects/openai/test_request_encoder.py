"""Parameters, tools, and thinking of a Chat Completions request, for the quirks of each server."""

from __future__ import annotations

import json

import pytest

from octoroute.dialects.anthropic.request_decoder import decode_request
from octoroute.dialects.openai.compat import Quirks, merge_presets, quirks_of
from octoroute.dialects.openai.request_encoder import encode_request, surplus_stops, unsupported
from octoroute.domain.endpoint import Endpoint, Tier
from tests.support.dialects.messages_to_chat_request import PDF, TOOL, ask


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        ({"type": "auto"}, "auto"),
        ({"type": "any"}, "required"),
        ({"type": "none"}, "none"),
        ({"type": "tool", "name": "f"}, {"type": "function", "function": {"name": "f"}}),
    ],
)
def test_p51_p52_tool_choice(choice, said):
    assert ask(("user", "go"), tools=[TOOL], tool_choice=choice)["tool_choice"] == said


def test_p53_one_tool_at_a_time():
    choice = {"type": "auto", "disable_parallel_tool_use": True}
    assert ask(("user", "go"), tools=[TOOL], tool_choice=choice)["parallel_tool_calls"] is False
    body = ask(("user", "go"), tool_choice=choice)
    assert "parallel_tool_calls" not in body and "tool_choice" not in body
    assert "parallel_tool_calls" not in ask(("user", "go"), tools=[TOOL], tool_choice={"type": "auto"})


def test_p55_fields_of_tools_that_others_refuse():
    tool = TOOL | {
        "defer_loading": True,
        "input_examples": [{}],
        "eager_input_streaming": True,
        "cache_control": {"type": "ephemeral"},
        "type": "custom",
    }
    (sent,) = ask(("user", "go"), tools=[tool])["tools"]
    assert sent == {"type": "function", "function": {"name": "f", "description": "d", "parameters": TOOL["input_schema"]}}


@pytest.mark.parametrize("model", ["gpt-5", "gpt-5.6-mini", "o3", "o4-mini"])
def test_p61_reasoning_models(model):
    quirks = quirks_of(
        Endpoint(
            id="e", name="e", tier=Tier.DEEP, kind="openai", provider="openai", base_url="https://api.openai.com/v1", model=model
        )
    )
    notes = []
    body = ask(("user", "a"), temperature=0.5, top_p=0.9, stop_sequences=["x"], quirks=quirks, notes=notes, system="s")
    assert body["max_completion_tokens"] == 100 and body["messages"][0]["role"] == "developer"
    assert not {"temperature", "top_p", "stop", "max_tokens"} & set(body)
    assert any("temperature" in note for note in notes)


def test_p61_other_models_of_openai_take_a_temperature():
    quirks = quirks_of(
        Endpoint(
            id="e", name="e", tier=Tier.DEEP, kind="openai", provider="openai", base_url="https://api.openai.com/v1", model="gpt-4o"
        )
    )
    assert ask(("user", "a"), temperature=0.5, quirks=quirks)["temperature"] == 0.5


def test_p62_four_stop_sequences_go_out():
    body = {"messages": [{"role": "user", "content": "x"}], "stop_sequences": list("abcdef")}
    conversation = decode_request(json.dumps(body).encode())
    assert json.loads(encode_request(conversation, model="m", quirks=Quirks(), stream=False))["stop"] == list("abcd")
    assert surplus_stops(conversation, Quirks()) == ("e", "f")
    assert surplus_stops(conversation, merge_presets("openai-reasoning")) == tuple("abcdef")


def test_p63_max_tokens_is_clamped_to_the_model_and_to_nothing_else():
    notes = []
    assert ask(("user", "a"), max_tokens=64000, limit=8192, notes=notes)["max_tokens"] == 8192
    assert "reduced to" in notes[0]
    assert ask(("user", "a"), max_tokens=64000)["max_tokens"] == 64000


@pytest.mark.parametrize(
    ("thinking", "config", "effort"),
    [
        ({"type": "enabled", "budget_tokens": 2000}, None, "low"),
        ({"type": "enabled", "budget_tokens": 10000}, None, "medium"),
        ({"type": "enabled", "budget_tokens": 30000}, None, "high"),
        ({"type": "adaptive"}, {"effort": "low"}, "low"),
        ({"type": "adaptive"}, {"effort": "max"}, "high"),
        ({"type": "adaptive"}, None, None),
        ({"type": "disabled"}, None, None),
        (None, {"effort": "medium"}, "medium"),
    ],
)
def test_thinking_as_effort(thinking, config, effort):
    fields = {key: value for key, value in (("thinking", thinking), ("output_config", config)) if value}
    assert ask(("user", "a"), quirks=merge_presets("openai", "openai-reasoning"), **fields).get("reasoning_effort") == effort


@pytest.mark.parametrize(
    ("name", "field", "on", "off"),
    [
        ("glm", "thinking", {"type": "enabled"}, {"type": "disabled"}),
        ("qwen", "enable_thinking", True, False),
        ("vllm", "chat_template_kwargs", {"enable_thinking": True}, {"enable_thinking": False}),
        ("openrouter", "reasoning", {"max_tokens": 2000}, {"enabled": False}),
    ],
)
def test_thinking_in_vendors_words(name, field, on, off):
    assert ask(("user", "a"), quirks=merge_presets(name), thinking={"type": "enabled", "budget_tokens": 2000})[field] == on
    assert ask(("user", "a"), quirks=merge_presets(name), thinking={"type": "disabled"})[field] == off


def test_thinking_that_cannot_be_said_is_a_note():
    notes = []
    body = ask(("user", "a"), thinking={"type": "enabled", "budget_tokens": 2000}, notes=notes)
    assert set(body) == {"model", "messages", "max_tokens"} and "thinking" in notes[0]


def test_a_structured_answer():
    schema = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": False}
    wanted = {"output_config": {"format": {"type": "json_schema", "schema": schema}}}
    body = ask(("user", "a"), **wanted)
    assert body["response_format"] == {"type": "json_schema", "json_schema": {"name": "output", "schema": schema, "strict": True}}
    loose = ask(
        ("user", "a"), output_config={"format": {"type": "json_schema", "schema": {"type": "object", "properties": {"a": {}}}}}
    )
    assert loose["response_format"]["json_schema"]["strict"] is False
    plain = ask(("user", "a"), quirks=merge_presets("deepseek"), **wanted)
    assert plain["response_format"] == {"type": "json_object"} and '"additionalProperties"' in plain["messages"][0]["content"]


def test_stream_options_only_with_a_stream_and_only_where_taken():
    assert ask(("user", "a"), stream=True)["stream_options"] == {"include_usage": True}
    assert "stream_options" not in ask(("user", "a"))
    assert "stream_options" not in ask(("user", "a"), stream=True, quirks=merge_presets("no-stream-options"))


def test_the_sender_is_hashed_and_only_told_to_openai():
    metadata = {"user_id": "user_1_account_2_session_3"}
    assert "safety_identifier" not in ask(("user", "a"), metadata=metadata)
    sent = ask(("user", "a"), metadata=metadata, quirks=merge_presets("openai"))["safety_identifier"]
    assert "user_1" not in sent and len(sent) == 32


def test_unsayable_names_the_reason():
    conversation = decode_request(json.dumps({"messages": [{"role": "user", "content": [PDF]}]}).encode())
    assert "application/pdf" in (unsupported(conversation, Quirks()) or "")
    assert unsupported(conversation, merge_presets("openai")) is None
