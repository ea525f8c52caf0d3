"""Tiers of models by their names."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoroute.config.importers.model_size import rank, size_of, tier_for_requests
from octoroute.domain.endpoint import CHAT_TIERS, Tier

IN_ORDER = [
    ["gpt-4.1-nano", "gpt-4.1-mini", "gpt-4.1"],
    ["claude-haiku-4-5", "claude-sonnet-4-5", "claude-opus-4-1"],
    ["gemini-2.5-flash-lite", "gemini-2.5-flash", "gemini-2.5-pro"],
    ["mistral-small-latest", "mistral-medium-latest", "mistral-large-latest"],
    ["qwen3:0.6b", "qwen3:8b", "qwen3:32b", "meta-llama/Llama-3.3-70B-Instruct", "gpt-oss-120b"],
    ["grok-4-fast-non-reasoning", "grok-4-fast", "grok-4"],
    ["deepseek-chat", "deepseek-reasoner"],
]


@pytest.mark.parametrize("names", IN_ORDER, ids=lambda names: names[0])
def test_the_models_of_a_vendor_are_in_its_order(names):
    sizes = [size_of(name) for name in names]
    assert sizes == sorted(set(sizes))
    tiers = rank(names)
    assert (tiers[names[0]], tiers[names[-1]]) == (Tier.FAST, Tier.DEEP)
    assert {tiers[name] for name in names[1:-1]} <= {Tier.BALANCED}


def test_one_size_alone_is_balanced():
    assert rank(["gpt-4o"]) == {"gpt-4o": Tier.BALANCED}
    assert set(rank(["gpt-4o", "grok-4"]).values()) == {Tier.BALANCED}
    assert rank([]) == {}


@given(st.lists(st.text(), unique=True))
def test_any_name_has_a_tier(names):
    tiers = rank(names)
    assert set(tiers) == set(names)
    assert set(tiers.values()) <= set(CHAT_TIERS)


@pytest.mark.parametrize(
    ("name", "tier"),
    [
        ("text-embedding-3-small", Tier.EMBEDDING),
        ("nomic-embed-text", Tier.EMBEDDING),
        ("BAAI/bge-m3", Tier.EMBEDDING),
        ("BAAI/bge-reranker-v2-m3", Tier.RERANK),
        ("whisper-1", Tier.AUDIO),
        ("tts-1-hd", Tier.AUDIO),
        ("dall-e-3", Tier.IMAGE),
        ("gpt-image-1", Tier.IMAGE),
        ("omni-moderation-latest", Tier.MODERATION),
        ("gpt-4o", None),
    ],
)
def test_models_that_are_not_for_chat_are_known(name, tier):
    assert tier_for_requests(name) == tier
