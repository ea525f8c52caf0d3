from __future__ import annotations

import pytest

from octoroute.access.tokens.compact import read_token
from octoroute.access.tokens.signature import check_signature
from octoroute.errors import Unauthorized
from tests.support.issuer import FakeIssuer, public_jwk

ISSUER = FakeIssuer()
ALL = ("RS256", "ES256", "EdDSA")


@pytest.mark.parametrize("key", ["one", "ec-one", "ed-one"])
def test_only_the_key_that_signed_verifies(key):
    token = read_token(ISSUER.token(key))
    check_signature(token, [public_jwk("two"), public_jwk(key)], ALL)
    with pytest.raises(Unauthorized, match="signature is wrong"):
        check_signature(token, [public_jwk("two"), public_jwk("ec-two"), public_jwk("ed-two")], ALL)


@pytest.mark.parametrize("change", [{"alg": "PS256"}, {"kty": "EC"}, {"n": ""}, {"n": 7}, {"e": None}, {"n": "!"}])
def test_a_key_that_is_malformed_or_for_another_algorithm_verifies_nothing(change):
    with pytest.raises(Unauthorized):
        check_signature(read_token(ISSUER.token()), [{**public_jwk("one"), **change}], ALL)


def test_a_symmetric_algorithm_is_never_accepted_even_if_it_is_configured():
    token = read_token(ISSUER.token(header={"alg": "HS256"}))
    with pytest.raises(Unauthorized, match="algorithm"):
        check_signature(token, [{"kty": "oct", "k": "AA"}], ("HS256",))


def test_few_keys_are_tried():
    with pytest.raises(Unauthorized, match="wrong"):
        check_signature(read_token(ISSUER.token()), [*[public_jwk("two")] * 8, public_jwk("one")], ALL)
