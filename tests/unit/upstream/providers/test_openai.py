"""OpenAI-compatible servers: three interfaces under one root, the key as a bearer token."""

from __future__ import annotations

from octoroute.domain.endpoint import Secret
from octoroute.upstream.providers.openai import OpenAI
from tests.support.spine import make_endpoint


def test_openai_has_the_paths_of_its_three_interfaces():
    at = make_endpoint("a")
    urls = [OpenAI().url(at, api, stream=False) for api in ("chat", "completions", "embeddings", "count_tokens")]
    assert urls == ["http://a.test/v1/chat/completions", "http://a.test/v1/completions", "http://a.test/v1/embeddings", None]


def test_the_key_is_a_bearer_token():
    assert dict(OpenAI().headers(make_endpoint("a", api_key=Secret("k"))))["authorization"] == "Bearer k"
