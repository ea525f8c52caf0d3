from __future__ import annotations

import base64

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoroute.access.cookie_signer import CookieSigner
from octoroute.access.session import Session

SIGNER = CookieSigner(b"s" * 32)
SESSION = Session(id="i", expires_at=5.0, key="k")
TEXT = SIGNER.sign("session", SESSION)


def test_what_was_signed_is_read_by_each_process_with_the_secret():
    assert CookieSigner(b"s" * 32).read("session", TEXT, Session) == SESSION


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "a.b",
        TEXT[:-1],
        TEXT[1:],
        TEXT + "A",
        TEXT.split(".")[0],
        TEXT.split(".")[0] + ".",
        "\u00e9.\u00ff",
        "\udcff." + "A" * 43,
        TEXT * 200,
    ],
)
def test_any_other_text_is_nothing(text):
    assert SIGNER.read("session", text, Session) is None


def test_neither_another_secret_nor_another_purpose_is_accepted():
    assert CookieSigner(b"t" * 32).read("session", TEXT, Session) is None
    assert SIGNER.read("login", TEXT, Session) is None


@given(st.integers(0, len(TEXT) - 1), st.characters(codec="latin-1"))
def test_no_changed_character_is_accepted(at, character):
    changed = TEXT[:at] + character + TEXT[at + 1 :]
    assert SIGNER.read("session", changed, Session) == (SESSION if changed == TEXT else None)


def test_a_signed_value_of_another_shape_is_nothing():
    class Other(msgspec.Struct):
        id: int

    assert SIGNER.read("session", SIGNER.sign("session", Other(1)), Session) is None


def test_what_no_cookie_can_hold_is_not_signed():
    with pytest.raises(ValueError, match="too long"):
        SIGNER.sign("session", Session(id="i" * 4000, expires_at=1.0))


def test_a_reference_tells_nothing_about_the_key():
    assert SIGNER.reference(b"d") != CookieSigner(b"t" * 32).reference(b"d")
    assert base64.urlsafe_b64decode(SIGNER.reference(b"d") + "=") != b"d"
