"""The keys that a request offers."""

from __future__ import annotations

import hashlib

import pytest

from octoroute.access.credentials import digest_of, offered_keys


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ({}, []),
        ({"x-api-key": ""}, []),
        ({"x-api-key": "a"}, ["a"]),
        ({"api-key": "a"}, ["a"]),
        ({"x-goog-api-key": "a"}, ["a"]),
        ({"authorization": "bearer  b "}, ["b"]),
        ({"authorization": "b"}, ["b"]),
        ({"authorization": "Bearer"}, []),
        ({"authorization": "Basic b"}, []),
        ({"authorization": "Token b"}, []),
        ({"x-api-key": "a", "authorization": "Bearer b"}, ["a", "b"]),
    ],
)
def test_a_key_may_stand_in_any_of_the_usual_headers(headers, found):
    assert offered_keys(headers) == found


def test_a_digest_is_the_whole_sha_256():
    assert digest_of("key") == hashlib.sha256(b"key").digest()
    assert len(digest_of("é\u20ac" * 1000)) == 32
