"""A client's own key, in whichever header it came."""

from __future__ import annotations

import pytest

from octoroute.upstream.request import UpstreamRequest


@pytest.mark.parametrize(
    ("headers", "key"),
    [
        ({}, None),
        ({"authorization": "Bearer one"}, "one"),
        ({"authorization": "bearer  one "}, "one"),
        ({"authorization": "Basic b25l"}, None),
        ({"authorization": "Bearer "}, None),
        ({"x-api-key": "two"}, "two"),
        ({"authorization": "Bearer one", "x-api-key": "two"}, "one"),
        ({"authorization": "Basic b25l", "x-api-key": "two"}, "two"),
    ],
)
def test_the_key_of_a_client(headers, key):
    found = UpstreamRequest(body=b"", stream=False, client_headers=headers).client_key
    assert (found.reveal() if found else None) == key
