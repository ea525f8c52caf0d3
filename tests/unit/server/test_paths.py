"""What clients make of a base URL, and the route that they mean."""

from __future__ import annotations

import pytest
from starlette.routing import Route

from octoroute.server.paths import PathResolver, below

INFERENCE = ("/v1/chat/completions", "/v1/messages", "/chat")
PATHS = PathResolver(
    INFERENCE,
    [
        Route(path, lambda request: None)
        for path in ("/", "/health", "/models", "/v1/models", "/v1/models/{name:path}", "/v1/messages/count_tokens")
    ],
)


@pytest.mark.parametrize(
    "path", [*INFERENCE, "/", "/health", "/models", "/v1/models", "/v1/models/vendor/model", "/v1/messages/count_tokens"]
)
def test_a_route_is_itself(path):
    assert PATHS.resolve(path) == path


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        ("/chat/completions", "/v1/chat/completions"),
        ("/messages", "/v1/messages"),
        ("/messages/count_tokens", "/v1/messages/count_tokens"),
        ("/v1/v1/messages", "/v1/messages"),
        ("/v1/v1/v1/messages/count_tokens", "/v1/messages/count_tokens"),
        ("/v1/chat/completions/", "/v1/chat/completions"),
        ("//v1/chat/completions", "/v1/chat/completions"),
        ("/v1//chat//completions//", "/v1/chat/completions"),
        ("//chat/completions/", "/v1/chat/completions"),
        ("/v1/models/", "/v1/models"),
        ("/models/", "/models"),
        ("/health/", "/health"),
        ("/v1/v1/models/a", "/v1/models/a"),
    ],
)
def test_nothing_is_lost_by_a_slash_or_a_version_too_many_or_too_few(path, meant):
    assert PATHS.resolve(path) == meant


@pytest.mark.parametrize(
    "path", ["/v2/messages", "/v1/chat", "/v1", "/v1/health", "/chat/completion", "/admin/../chat", "", "x" * 30000]
)
def test_what_is_no_route_stays_none(path):
    assert PATHS.resolve(path) is None


def test_a_path_of_versions_alone_takes_linear_time():
    assert PATHS.resolve("/v1" * 10_000 + "/messages") == "/v1/messages"


def test_the_error_names_the_nearest_route_or_all_inference_routes():
    assert PATHS.unknown("/v1/chat/completion") == "there is no route /v1/chat/completion; did you mean /v1/chat/completions?"
    assert "the inference routes are /chat, /v1/chat/completions, /v1/messages" in PATHS.unknown("/zzz")
    assert len(PATHS.unknown("/" + "y" * 100_000)) < 400


@pytest.mark.parametrize(
    ("path", "inside"),
    [
        ("/llm/v1/models", "/v1/models"),
        ("//llm//v1/models/", "/v1/models/"),
        ("/llm//v1/models", "//v1/models"),
        ("/llm", "/"),
        ("/llm/", "/"),
        ("/llmx/v1", None),
        ("/v1/models", None),
        ("", None),
        ("/", None),
        ("/x/llm/v1", None),
    ],
)
def test_the_part_below_a_root_path(path, inside):
    assert below("/llm", path) == inside


def test_texts_have_the_root_path_in_front():
    resolver = PathResolver(["/v1/messages"], [], lambda: "/llm")
    assert resolver.unknown("/v1/message") == "there is no route /llm/v1/message; did you mean /llm/v1/messages?"
    assert "routes are /llm/v1/messages" in resolver.unknown("/zzz")
    assert resolver.outside("/zzz") == "there is no route /zzz; server.root_path puts every route below /llm"
