"""Limits of Claude models by the version in their name."""

from __future__ import annotations

import pytest

from octoroute.dialects.anthropic.model_limits import is_claude, model_limits


@pytest.mark.parametrize(
    ("model", "sampling", "adaptive", "budget", "schemas", "max_tokens"),
    [
        ("claude-3-haiku-20240307", True, False, False, False, 4096),
        ("claude-3-5-sonnet-20241022", True, False, False, False, 8192),
        ("claude-3.7-sonnet", True, False, True, False, 8192),
        ("anthropic.claude-sonnet-4-20250514-v1:0", True, False, True, False, 8192),
        ("claude-sonnet-4-5-20250929", True, False, True, True, 8192),
        ("claude-opus-4.6", True, True, True, True, 8192),
        ("claude-opus-4-7", False, True, True, True, 8192),
        ("claude-sonnet-5", False, True, True, True, 8192),
        ("~anthropic/claude-opus-latest", False, True, True, True, 8192),
        ("claude", True, False, True, False, 8192),
        ("some-model", True, False, True, False, 8192),
        ("glm-5.1", True, False, True, False, 8192),
    ],
)
def test_limits(model, sampling, adaptive, budget, schemas, max_tokens):
    limits = model_limits(model)
    assert (limits.sampling, limits.adaptive, limits.budget) == (sampling, adaptive, budget)
    assert (limits.schemas, limits.max_tokens) == (schemas, max_tokens)


def test_from_4_1_on_temperature_excludes_top_p():
    assert model_limits("claude-sonnet-4-20250514").temperature_with_top_p
    assert not model_limits("claude-opus-4-1").temperature_with_top_p


@pytest.mark.parametrize(
    ("model", "prefill", "thinking_off", "forced_tools", "output_limit"),
    [
        ("claude-2.1", True, True, True, 4096),
        ("claude-opus-4-1@20250805", True, True, True, 32_000),
        ("claude-haiku-4-5", True, True, True, 64_000),
        ("us.anthropic.claude-opus-4-8-20260101-v1:0", False, True, True, 128_000),
        ("anthropic/claude-4.7-opus-20260416", False, True, True, 128_000),
        ("claude-fable-5", False, False, True, 128_000),
        ("Claude-Opus-5-5", False, False, False, 128_000),
        ("some-model", True, True, True, None),
    ],
)
def test_what_each_generation_refuses(model, prefill, thinking_off, forced_tools, output_limit):
    limits = model_limits(model)
    assert (limits.prefill, limits.thinking_off, limits.forced_tools) == (prefill, thinking_off, forced_tools)
    assert limits.output_limit == output_limit


def test_claude_is_recognized_by_its_version():
    assert is_claude("vertex_ai/claude-sonnet-4-5@20250929")
    assert not is_claude("claudette")
    assert not is_claude("gpt-5")
