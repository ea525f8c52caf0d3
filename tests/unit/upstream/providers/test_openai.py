"""OpenAI-compatible servers: three interfaces under one root, the key as a bearer token."""

from __future__ import annotations

import pytest

from octoroute.domain.endpoint import Secret
from octoroute.upstream.providers.openai import OpenAI
from tests.support.spine import make_endpoint


def test_openai_has_the_paths_of_its_three_interfaces():
    at = make_endpoint("a")
    urls = [OpenAI().url(at, api, stream=False) for api in ("chat", "completions", "embeddings", "count_tokens")]
    assert urls == ["http://a.test/v1/chat/completions", "http://a.test/v1/completions", "http://a.test/v1/embeddings", None]


def test_the_key_is_a_bearer_token():
    assert dict(OpenAI().headers(make_endpoint("a", api_key=Secret("k"))))["authorization"] == "Bearer k"


@pytest.mark.parametrize(
    ("wire", "base_url", "wires"),
    [
        ("", "https://api.openai.com/v1", ("responses", "openai")),
        ("chat", "https://api.openai.com/v1", ()),
        ("responses", "https://api.openai.com/v1", ("responses",)),
        ("", "http://127.0.0.1:8000/v1", ()),
        ("", "https://api.openai.com.evil.test/v1", ()),
        ("responses", "http://127.0.0.1:8000/v1", ("responses",)),
        ("other", "http://127.0.0.1:8000/v1", None),
    ],
)
def test_openai_itself_speaks_both_formats_and_others_the_configured_one(wire, base_url, wires):
    assert OpenAI().wires(wire, base_url) == wires


def test_the_responses_format_has_its_path():
    assert OpenAI().url(make_endpoint("a"), "responses", stream=True) == "http://a.test/v1/responses"
