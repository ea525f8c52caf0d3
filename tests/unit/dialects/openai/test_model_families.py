"""What families of models refuse, whatever stands before and after their names."""

from __future__ import annotations

import pytest

from octoroute.dialects.openai.compat import PRESETS, Quirks
from octoroute.dialects.openai.model_families import SAMPLING, family_quirks


def of(model: str) -> Quirks:
    return Quirks(**family_quirks(model))


@pytest.mark.parametrize(
    "model", ["o3", "o4-mini-2025-04-16", "openai/gpt-5-mini", "gpt-5.4-pro", "gpt-5-codex", "azure/gpt-5", "openai/gpt-6"]
)
def test_reasoning_models_of_openai(model):
    quirks = of(model)
    assert quirks.refuses == SAMPLING
    assert quirks.stop_limit == 0
    assert quirks.max_tokens_field == "max_completion_tokens"


@pytest.mark.parametrize(
    "model", ["gpt-4.1", "gpt-5-chat-latest", "gpt-5.1-chat", "proto3", "foo1", "llama-o1", "gpt-oss-120b", "m"]
)
def test_models_that_sample(model):
    assert of(model).refuses == ()
    assert of(model).max_tokens_field == "max_tokens"


@pytest.mark.parametrize("model", ["gpt-5.1", "openai/gpt-5.2", "gpt-5.4-2026-03-05"])
def test_models_that_sample_unless_they_reason(model):
    quirks = of(model)
    assert (quirks.refuses, quirks.refuses_thinking, quirks.thinks_by_default) == ((), SAMPLING, False)


@pytest.mark.parametrize(
    ("model", "limit"),
    [("gpt-4o-mini", 16_384), ("gpt-4-turbo-2024-04-09", 4096), ("o3-mini", 100_000), ("gpt-4.1-nano", 32_768), ("qwen3-8b", None)],
)
def test_limits_of_the_output(model, limit):
    assert of(model).output_limit == limit


@pytest.mark.parametrize(
    ("model", "replay"),
    [
        ("deepseek/deepseek-v3.2", "reasoning_content"),
        ("deepseek-ai/DeepSeek-V4-Pro", "reasoning_content"),
        ("deepseek-r1", ""),
        ("moonshotai/kimi-k2-thinking", "reasoning_content"),
        ("zai-org/GLM-4.6", "reasoning_content"),
        ("Qwen/Qwen3-235B-A22B-Thinking-2507", "reasoning_content"),
        ("MiniMaxAI/MiniMax-M2", "think_tags"),
        ("llama-3.3-70b", ""),
    ],
)
def test_where_thinking_goes_back(model, replay):
    assert of(model).replay == replay


def test_claude_behind_an_aggregator():
    old, new = of("anthropic/claude-sonnet-4.5"), of("bedrock/us.anthropic.claude-opus-4-8-v1:0")
    assert (old.refuses, old.prefill, old.temperature_with_top_p) == ((), "yes", False)
    assert set(new.refuses) == {*SAMPLING, "top_k"}
    assert new.prefill == "no"
    assert old.cache_marks
    assert not old.blank_stops


@pytest.mark.parametrize(
    ("model", "refused"),
    [("grok-4-fast-reasoning", True), ("xai/grok-4.1", True), ("grok-4-fast-non-reasoning", False), ("grok-2", False)],
)
def test_grok(model, refused):
    assert ("presence_penalty" in of(model).refuses) is refused


def test_no_preset_of_a_server_sets_what_only_a_model_refuses():
    """Presets win over families, so such a field in a preset would hide the family's rule."""
    only_models = {"refuses_thinking", "temperature_with_top_p", "blank_stops", "output_limit", "thinks_by_default"}
    assert not [name for name, fields in PRESETS.items() if only_models & fields.keys()]
