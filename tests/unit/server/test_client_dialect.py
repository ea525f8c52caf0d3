"""Which dialect a client speaks where the route alone does not tell."""

from __future__ import annotations

import pytest

from octoroute import dialects
from octoroute.server.client_dialect import inbound_of

INBOUND = dialects.inbound(lambda: 0.0)


@pytest.mark.parametrize(
    ("path", "headers", "dialect"),
    [
        ("/v1/models", {}, "openai"),
        ("/v1/models", {"anthropic-version": "2023-06-01"}, "anthropic"),
        ("/v1/messages/count_tokens", {}, "anthropic"),
        ("/v1/messages/nothing/here", {}, "anthropic"),
        ("/v1/responses/r_1", {}, "responses"),
        ("/v1/chat/completions", {"anthropic-version": "2023-06-01"}, "anthropic"),
        ("/v1beta/files", {}, "gemini"),
        ("/v1/models/a/b:generateContent", {}, "gemini"),
        ("/v1/models/a:countTokens", {}, "gemini"),
        ("/v1/models/a:b", {}, "openai"),
        ("/v1/models", {"x-goog-api-client": "google-genai-sdk/3"}, "gemini"),
        ("/api/nothing", {}, "ollama"),
        ("/nowhere", {}, "openai"),
    ],
)
def test_the_version_header_decides_then_the_path_then_openai(path, headers, dialect):
    assert inbound_of(INBOUND, path, headers).name == dialect


def test_a_dialect_without_routes_is_never_a_clients():
    assert inbound_of(INBOUND, "", {}).name == "openai"
