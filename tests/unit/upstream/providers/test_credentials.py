"""A header that the operator wrote counts, whatever its spelling."""

from __future__ import annotations

from octoroute.domain.endpoint import Secret
from octoroute.upstream.providers.credentials import JSON, with_key
from tests.support.spine import make_endpoint


def headers(**more):
    return with_key(make_endpoint("a", **more), "authorization", "Bearer ", (JSON,))


def test_the_key_comes_with_its_prefix():
    assert headers(api_key=Secret("k")) == (JSON, ("authorization", "Bearer k"))


def test_no_key_no_header():
    assert headers() == (JSON,)


def test_configured_headers_take_precedence_over_defaults_and_key():
    configured = (("Content-Type", "application/x"), ("AUTHORIZATION", "Basic x"), ("x-more", "1"))
    assert headers(api_key=Secret("k"), headers=configured) == configured
