"""Anthropic's API: a version on every request, unless the operator wrote another; other servers' refusals may be acted upon."""

from __future__ import annotations

import pytest

from octoroute.domain.endpoint import Secret
from octoroute.upstream.providers.anthropic import VERSION, Anthropic
from tests.support.spine import make_endpoint


def endpoint(**more):
    return make_endpoint("a", **{"kind": "anthropic", "base_url": "https://api.anthropic.com/v1", "api_key": Secret("k"), **more})


def test_each_request_says_the_version():
    assert VERSION in Anthropic().headers(endpoint())
    own = Anthropic().headers(endpoint(headers=(("Anthropic-Version", "2030-01-01"),)))
    assert [value for name, value in own if name.lower() == VERSION[0]] == ["2030-01-01"]


def test_tokens_can_be_counted():
    assert Anthropic().url(endpoint(), "count_tokens", stream=False) == "https://api.anthropic.com/v1/messages/count_tokens"
    assert Anthropic().url(endpoint(), "embeddings", stream=False) is None


@pytest.mark.parametrize(
    ("base_url", "acted_upon"),
    [
        ("https://api.anthropic.com/v1", False),
        ("https://API.anthropic.com:443/v1", False),
        ("https://api.anthropic.com.evil/v1", True),
        ("http://127.0.0.1:8080/api.anthropic.com", True),
    ],
)
def test_only_other_servers_refusals_are_acted_upon(base_url, acted_upon):
    assert (Anthropic().may_drop_params(endpoint(base_url=base_url), stream=False) is not None) == acted_upon
