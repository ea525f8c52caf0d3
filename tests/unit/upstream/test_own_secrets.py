"""Our secrets, in the spellings in which an upstream may echo them."""

from __future__ import annotations

import json
from urllib.parse import quote

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoroute.domain.endpoint import Endpoint, Secret, SigningKey, Tier
from octoroute.errors import BadUpstreamResponse, UpstreamRejected
from octoroute.upstream.own_secrets import mask_error, mask_secrets


def endpoint(key: str | None = None, **headers: str) -> Endpoint:
    return Endpoint(
        id="a", name="m", tier=Tier.FAST, kind="openai", provider="p", base_url="http://h/v1", model="m",
        api_key=Secret(key) if key else None, headers=tuple(headers.items()),
    )  # fmt: skip


VISIBLE = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=8, max_size=60)


@given(VISIBLE.filter(lambda text: "*" not in text))
def test_a_key_is_found_however_it_is_spelled(key):
    spellings = [key, json.dumps(key), json.dumps(key).replace("/", "\\/"), quote(key, safe="")]
    for spelling in spellings:
        masked = mask_secrets(f"you sent Bearer {spelling} here".encode(), endpoint(key))
        assert masked.startswith(b"you sent Bearer ")
        assert spelling.strip('"').encode() not in masked
        assert b"***" in masked


def test_the_token_of_a_configured_authorization_is_found_without_its_scheme():
    assert mask_secrets(b"token abcdefgh1234 is bad", endpoint(Authorization="Bearer abcdefgh1234")) == b"token *** is bad"


def test_the_longest_secret_is_masked_first():
    assert mask_secrets(b"secret-1234-long", endpoint("secret-1234", X="secret-1234-long")) == b"***"


@pytest.mark.parametrize("key", [None, "ollama", "none", "true"])
def test_words_are_no_secrets(key):
    body = b'{"error": "ollama: none true"}'
    assert mask_secrets(body, endpoint(key, X_Mode="true")) == body


def test_a_key_that_signs_is_a_secret_too():
    key = SigningKey(id="AKID", secret=Secret("the/secret+key"), session_token=Secret("the-session-token"))
    at = msgspec.structs.replace(endpoint(), signing_key=key)
    masked = mask_secrets(b"you signed with the/secret+key and the-session-token", at)
    assert masked == b"you signed with *** and ***"


def test_an_error_is_masked_in_all_its_texts():
    said = "you sent sk-vendor-1234"
    rejected = UpstreamRejected(said, status=400, body=said.encode(), headers={"x-ratelimit-key": said, "a": "b"}, dialect="openai")
    rejected.detail = said
    mask_error(rejected, endpoint("sk-vendor-1234"))
    assert (rejected.message, rejected.detail, rejected.body) == ("you sent ***", "you sent ***", b"you sent ***")
    assert rejected.upstream_headers == {"x-ratelimit-key": "you sent ***", "a": "b"}
    failed = BadUpstreamResponse("failed", detail=said)
    mask_error(failed, endpoint("another-key"))
    assert failed.detail == said
