"""Limits of Claude models by the version in their name."""

from __future__ import annotations

import pytest

from octoroute.dialects.anthropic.model_limits import model_limits


@pytest.mark.parametrize(
    ("model", "temperature", "adaptive", "budget", "schemas", "max_tokens"),
    [
        ("claude-3-haiku-20240307", True, False, False, False, 4096),
        ("claude-3-5-sonnet-20241022", True, False, False, False, 8192),
        ("claude-3.7-sonnet", True, False, True, False, 8192),
        ("anthropic.claude-sonnet-4-20250514-v1:0", True, False, True, False, 8192),
        ("claude-sonnet-4-5-20250929", True, False, True, True, 8192),
        ("claude-opus-4.6", True, True, True, True, 8192),
        ("claude-sonnet-5", False, True, True, True, 8192),
        ("claude", True, False, True, False, 8192),
        ("some-model", True, False, True, False, 8192),
        ("glm-5.1", True, False, True, False, 8192),
    ],
)
def test_limits(model, temperature, adaptive, budget, schemas, max_tokens):
    limits = model_limits(model)
    assert (limits.temperature, limits.adaptive, limits.budget) == (temperature, adaptive, budget)
    assert (limits.schemas, limits.max_tokens) == (schemas, max_tokens)


def test_from_4_1_on_temperature_excludes_top_p():
    assert model_limits("claude-sonnet-4-20250514").temperature_with_top_p
    assert not model_limits("claude-opus-4-1").temperature_with_top_p
