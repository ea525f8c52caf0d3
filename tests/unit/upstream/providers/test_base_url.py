"""Addresses as people paste them, and the root that is meant."""

from __future__ import annotations

import pytest

from octoroute.upstream.providers.base_url import root_of

ROOT = "https://llm.example:8443/v1"


@pytest.mark.parametrize(
    "route",
    [
        "chat/completions", "completions", "responses", "responses/compact", "messages", "messages/count_tokens", "embeddings",
        "models", "rerank", "moderations", "audio/speech", "audio/transcriptions", "images/generations",
        "models/gemini-2.5-pro:generateContent", "models/m:streamGenerateContent", "model/a.b-v1/converse",
    ],
)  # fmt: skip
@pytest.mark.parametrize("end", ["", "/", "//"])
def test_a_route_at_the_end_is_left_out(route, end):
    assert root_of(f"{ROOT}/{route}{end}", "openai") == ROOT


@pytest.mark.parametrize(
    ("url", "kind", "root"),
    [
        ("http://h:11434/api/chat", "openai", "http://h:11434/v1"),
        ("http://h:11434/api/generate/", "openai", "http://h:11434/v1"),
        ("http://h:11434/api/chat", "ollama", "http://h:11434"),
        ("http://h:8080/api/chat/completions", "openai", "http://h:8080/api"),
        (
            "https://r.openai.azure.com/openai/deployments/d/chat/completions",
            "azure",
            "https://r.openai.azure.com/openai/deployments/d",
        ),
        ("http://h/models", "openai", "http://h"),
    ],
)
def test_other_forms(url, kind, root):
    assert root_of(url, kind) == root


@pytest.mark.parametrize(
    "url",
    [
        ROOT, "http://h", "http://models", "http://responses/v1", "https://r.services.ai.azure.com/models", "https://h/my-models",
        "https://h/models/qwen", "https://h/chat", "https://h/v1/completions-proxy", "https://h/embeddings/v1",
    ],
)  # fmt: skip
def test_a_root_is_kept(url):
    assert root_of(url, "openai") == url
    assert root_of(url + "/", "openai") == url
