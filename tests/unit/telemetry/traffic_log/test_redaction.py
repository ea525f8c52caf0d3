"""What must not stand in a log does not, and the rest is not touched."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoroute.telemetry.traffic_log.record import BoundedBody
from octoroute.telemetry.traffic_log.redaction import Redaction

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "content"]), inner, max_size=3),
    max_leaves=12,
)


@pytest.mark.parametrize(
    "name", ["Authorization", "X-Api-Key", "api-key", "x-goog-api-key", "Cookie", "Proxy-Authorization", "X-Auth-Token"]
)
def test_c24_headers_with_keys(name):
    assert Redaction().headers([(name.encode(), b"plain-value")]) == {name.lower(): "***"}


def test_c24_other_headers_stay():
    assert Redaction().headers([(b"Content-Type", b"application/json"), (b"x-max-tokens", b"5")]) == {
        "content-type": "application/json",
        "x-max-tokens": "5",
    }


@pytest.mark.parametrize(
    "text",
    [
        "my key is sk-proj-abcdefghijkl ok",
        "Authorization: Bearer abc.def-ghi_jkl",
        "AIzaSyA1234567890123456789012345678901",
        "AKIAABCDEFGHIJKLMNOP",
        "the-known-secret!",
        '{"api_key": "whatever it is", "x": 1}',
        '{"nested": {"password":"a\\"b"}}',
    ],
)
def test_c24_keys_in_text(text):
    redacted = Redaction(["the-known-secret!"]).text(text)
    assert "***" in redacted
    for word in ("abcdefghijkl", "abc.def", "SyA12345", "ABCDEFGH", "known", "whatever", 'a\\"b'):
        assert word not in redacted


def test_c24_keys_in_bodies_by_name_by_text_and_by_pattern():
    redaction = Redaction(["known-secret"], ["[0-9]{16}", "(?i)jane doe"])
    body = {
        "api_key": "x",
        "max_tokens": 5,
        "token": 7,
        "messages": [{"content": "card 4111111111111111 of Jane Doe, known-secret"}],
    }
    assert redaction.body(json.dumps(body).encode(), 10000) == {
        "api_key": "***",
        "max_tokens": 5,
        "token": 7,
        "messages": [{"content": "card *** of ***, ***"}],
    }


def test_a_secret_across_the_cut_is_not_half_there():
    body = BoundedBody(20)
    body.add(b'"0123456789" sk-abcdefghijklmnop tail')
    assert Redaction().body(body.bytes(), 20) == '"0123456789" *** tai'


@given(value=JSON)
def test_what_holds_no_secret_stays(value):
    assert Redaction().body(json.dumps(value).encode(), 1 << 20) == value


def test_a_key_that_is_a_word_does_not_take_the_word_away():
    assert Redaction(["ollama"]).text("I run ollama at home") == "I run ollama at home"
