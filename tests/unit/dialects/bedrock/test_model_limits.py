"""Families of models: Claude's limits are Anthropic's own."""

from __future__ import annotations

import pytest

from octoroute.dialects.anthropic.model_limits import model_limits as claude_limits
from octoroute.dialects.bedrock.model_limits import model_limits

PROFILE = "arn:aws:bedrock:eu-west-1:123456789012:application-inference-profile/abc123"


@pytest.mark.parametrize(
    ("model", "as_anthropic"),
    [
        ("anthropic.claude-3-haiku-20240307-v1:0", "claude-3-haiku-20240307"),
        ("us.anthropic.claude-3-7-sonnet-20250219-v1:0", "claude-3-7-sonnet-20250219"),
        ("anthropic.claude-sonnet-4-20250514-v1:0", "claude-sonnet-4-20250514"),
        ("global.anthropic.claude-opus-4-5-20251101-v1:0", "claude-opus-4-5"),
        ("arn:aws:bedrock:us-east-1:1:inference-profile/us.anthropic.claude-opus-4-6-v1", "claude-opus-4-6"),
    ],
)
def test_claude_has_anthropics_limits(model, as_anthropic):
    can = model_limits(model)
    assert can.limits == claude_limits(as_anthropic)
    assert (can.claude, can.caches, can.names_tool) == (True, True, True)


def test_an_opaque_arn_is_told_by_its_configured_name():
    assert model_limits(PROFILE, "claude-sonnet-4-5").limits == claude_limits("claude-sonnet-4-5")
    assert not model_limits(PROFILE, "my-model").claude
    assert not model_limits("meta.llama3-3-70b-instruct-v1:0", "my-claude-substitute-is-llama").limits.prefill


@pytest.mark.parametrize(
    ("model", "schemas", "forced", "names", "caches"),
    [
        ("us.amazon.nova-pro-v1:0", False, True, True, True),
        ("mistral.mistral-large-2407-v1:0", False, True, False, False),
        ("meta.llama3-3-70b-instruct-v1:0", False, False, False, False),
        ("openai.gpt-oss-120b-1:0", True, False, False, False),
        ("qwen.qwen3-coder-480b-a35b-v1:0", True, False, False, False),
    ],
)
def test_other_families(model, schemas, forced, names, caches):
    can = model_limits(model)
    assert (can.limits.schemas, can.limits.forced_tools, can.names_tool, can.caches) == (schemas, forced, names, caches)
    assert not can.claude
    assert not can.limits.budget
