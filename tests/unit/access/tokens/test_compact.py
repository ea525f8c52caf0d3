from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoroute.access.tokens.compact import looks_like_token, read_token
from octoroute.errors import Unauthorized
from tests.support.issuer import b64

GOOD = ".".join([b64(b'{"alg":"RS256","kid":"k"}'), b64(b'{"iss":"i"}'), b64(b"s")])


def test_a_token_is_read_without_being_believed():
    token = read_token(GOOD)
    assert (token.algorithm, token.key_id, token.issuer, token.claims) == ("RS256", "k", "i", {"iss": "i"})


@given(st.text(max_size=200) | st.binary(max_size=99).map(lambda data: f"{b64(data)}.{b64(data)}.{b64(data)}"))
def test_no_text_does_anything_but_be_refused(text):
    with pytest.raises(Unauthorized):
        read_token(text)


@pytest.mark.parametrize("kind", ["JWT", "at+jwt", "application/at+jwt", "Application/JWT"])
def test_types_of_access_and_id_tokens_are_read(kind):
    header = b64(b'{"alg":"RS256","typ":"%b"}' % kind.encode())
    assert read_token(".".join([header, *GOOD.split(".")[1:]])).key_id is None


def test_a_key_is_not_taken_for_a_token():
    assert looks_like_token(GOOD)
    assert not any(map(looks_like_token, ("", "octo_abc_def", "sk-a.b.c", "eyJ.a", "eyJ.a.b.c")))
