"""JSON Web Tokens (RFC 7519) in compact form, read strictly. Nothing is verified here, and no address in a token is used. Pure."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple, NoReturn, cast

from octoroute.errors import Unauthorized

MAX_TOKEN_CHARS = 16 * 1024
_BASE64URL = re.compile(r"[A-Za-z0-9_-]*")
_TYPES = frozenset({"jwt", "at+jwt", "application/jwt", "application/at+jwt"})
"""Tokens of other types, such as logout tokens, say something else than who asks (RFC 8725, 3.11)."""


class UnverifiedToken(NamedTuple):
    text: str
    algorithm: str
    key_id: str | None
    """None: the header names no key."""
    claims: Mapping[str, Any]
    issuer: str


def looks_like_token(text: str) -> bool:
    """Whether the text is meant as a token: its header begins with `{`."""
    return text.startswith("ey") and text.count(".") == 2


def rejected(reason: str) -> Unauthorized:
    """`reason`: a sentence about the token, without any part of it that is not the operator's own."""
    return Unauthorized(f"the token is not accepted: {reason}")


def read_token(text: str) -> UnverifiedToken:
    """Raises Unauthorized for what is no signed token of a known form."""
    if len(text) > MAX_TOKEN_CHARS:
        raise rejected(f"it has more than {MAX_TOKEN_CHARS} characters")
    header_text, _, rest = text.partition(".")
    claims_text, _, signature = rest.partition(".")
    header, claims = _json(header_text, "header"), _json(claims_text, "claims")
    if not _bytes(signature, "signature"):
        raise rejected("it is not signed")
    if "crit" in header or "zip" in header or "enc" in header or header.get("b64", True) is not True:
        raise rejected("its header requires an extension that this gateway does not have")
    kind = header.get("typ", "JWT")
    if not isinstance(kind, str) or kind.lower() not in _TYPES:
        raise rejected("it is a token of another type (typ)")
    algorithm, key_id, issuer = header.get("alg"), header.get("kid"), claims.get("iss")
    if not isinstance(algorithm, str):
        raise rejected("its header names no algorithm (alg)")
    if key_id is not None and not isinstance(key_id, str):
        raise rejected("the id of its key is no text (kid)")
    if not isinstance(issuer, str):
        raise rejected("it names no issuer (iss)")
    return UnverifiedToken(text, algorithm, key_id, claims, issuer)


def _bytes(text: str, part: str) -> bytes:
    """Base64url without padding (RFC 7515, 2), and only the one text that stands for these bytes."""
    if not _BASE64URL.fullmatch(text) or len(text) % 4 == 1:
        raise rejected(f"its {part} is not base64url")
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if base64.urlsafe_b64encode(data).rstrip(b"=").decode() != text:
        raise rejected(f"its {part} is not base64url")
    return data


def _json(text: str, part: str) -> dict[str, Any]:
    try:
        found: object = json.loads(_bytes(text, part).decode(), object_pairs_hook=_object, parse_constant=_refuse)
    except (ValueError, RecursionError, binascii.Error):
        raise rejected(f"the JSON of its {part} is not valid, or names a member twice") from None
    if not isinstance(found, dict):
        raise rejected(f"the JSON of its {part} is no object")
    return cast("dict[str, Any]", found)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a member is named twice")
    return found


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)
