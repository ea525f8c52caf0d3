"""Presets of quirks and their detection."""

from __future__ import annotations

import pytest

from octoroute.dialects.openai.compat import PRESETS, Quirks, merge_presets, quirks_of
from octoroute.domain.endpoint import Endpoint, Tier


def test_every_preset_is_valid_and_hosts_are_recognized():
    for name in PRESETS:
        merge_presets(name)

    def of(url, model="m", **more):
        return quirks_of(
            Endpoint(id="e", name="e", tier=Tier.FAST, kind="openai", provider="openai", base_url=url, model=model, **more)
        )

    assert of("https://api.deepseek.com/v1").replay == "reasoning_content"
    assert of("http://127.0.0.1:11434/v1").top_k
    assert of("http://127.0.0.1:8000/v1", "deepseek-r1:8b").think_tags
    assert of("https://example.org/v1", quirks=("kimi",)).missing_reasoning == " "
    assert of("not a url at all") == Quirks()
    assert of("https://openai.com.evil.example/v1") == Quirks()


@pytest.mark.parametrize(
    ("model", "efforts"),
    [
        ("o3", ("low", "medium", "high")),
        ("gpt-5-mini", ("minimal", "low", "medium", "high")),
        ("gpt-5.1", ("none", "low", "medium", "high")),
        ("gpt-5.6", ("none", "low", "medium", "high", "xhigh")),
    ],
)
def test_efforts_of_openais_generations(model, efforts):
    endpoint = Endpoint(
        id="e", name="e", tier=Tier.DEEP, kind="openai", provider="openai", base_url="https://api.openai.com/v1", model=model
    )
    assert quirks_of(endpoint).efforts == efforts
