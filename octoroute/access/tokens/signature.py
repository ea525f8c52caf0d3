"""Whether one of the issuer's keys has signed a token, by PyJWT and cryptography of the extra `octoroute[oidc]`."""

from __future__ import annotations

from collections.abc import Sequence

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from octoroute.access.tokens.compact import UnverifiedToken, rejected
from octoroute.access.tokens.key_set import Jwk

MIN_RSA_BITS, MAX_RSA_BITS = 2048, 8192
"""Larger keys would take long to compute with."""
MAX_TRIED = 8
"""Keys that are tried for a token that names none."""
_FAMILIES = {"RS": "RSA", "PS": "RSA", "ES": "EC", "Ed": "OKP"}
_CURVES = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}


def check_signature(token: UnverifiedToken, keys: Sequence[Jwk], algorithms: Sequence[str]) -> None:
    """Raises Unauthorized unless one of `keys` has signed the token, by one of the asymmetric `algorithms`."""
    algorithm = token.algorithm
    if algorithm not in algorithms or algorithm[:2] not in _FAMILIES:
        raise rejected("its algorithm is not allowed (alg)")
    fitting = [key for key in keys if _fits(key, algorithm)]
    if not fitting:
        raise rejected("its key is not known to its issuer (kid)")
    for key in fitting[:MAX_TRIED]:
        try:
            public = jwt.PyJWK.from_dict(dict(key), algorithm)
            if isinstance(public.key, RSAPublicKey) and not MIN_RSA_BITS <= public.key.key_size <= MAX_RSA_BITS:
                continue
            jwt.api_jws.PyJWS([algorithm]).decode_complete(token.text, public, [algorithm])
        except (jwt.PyJWTError, ValueError, TypeError, KeyError):
            continue
        return
    raise rejected("its signature is wrong")


def _fits(key: Jwk, algorithm: str) -> bool:
    """Whether the key is for this algorithm: by type, curve, and what it says itself."""
    if key.get("kty") != _FAMILIES[algorithm[:2]] or key.get("alg", algorithm) != algorithm:
        return False
    return algorithm not in _CURVES or key.get("crv") == _CURVES[algorithm]
