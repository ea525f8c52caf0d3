"""Gemini: the method is part of the address, and the key never is."""

from __future__ import annotations

import pytest

from octoroute.domain.endpoint import Secret
from octoroute.upstream.providers.gemini import Gemini
from tests.support.spine import make_endpoint


def endpoint(model="gemini-3"):
    return make_endpoint("a", kind="gemini", base_url="https://g/v1beta", model=model, api_key=Secret("k"))


@pytest.mark.parametrize(
    ("api", "stream", "method"),
    [
        ("chat", False, "generateContent"),
        ("chat", True, "streamGenerateContent?alt=sse"),
        ("count_tokens", False, "countTokens"),
        ("embeddings", False, "batchEmbedContents"),
    ],
)
def test_the_address_says_what_is_wanted(api, stream, method):
    assert Gemini().url(endpoint(), api, stream=stream) == f"https://g/v1beta/models/gemini-3:{method}"


def test_what_is_not_streamed_has_no_streaming_address():
    assert Gemini().url(endpoint(), "embeddings", stream=True) is None


@pytest.mark.parametrize("model", ["gemini-3", "models/gemini-3"])
def test_a_models_name_may_have_its_prefix(model):
    assert "/models/gemini-3:" in Gemini().url(endpoint(model), "chat", stream=False)


def test_a_name_is_one_segment():
    assert "/models/tuned%2Fmine:" in Gemini().url(endpoint("tuned/mine"), "chat", stream=False)


def test_the_key_is_a_header():
    assert dict(Gemini().headers(endpoint()))["x-goog-api-key"] == "k"
