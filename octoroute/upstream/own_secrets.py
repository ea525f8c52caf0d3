"""The gateway's secrets in what an upstream says: an endpoint that echoes its request must not tell clients our key. Pure.

Masked are all errors, whether they come as a status or inside a response with status 200. A response that is no error is not
examined.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from urllib.parse import quote

from octoroute.domain.endpoint import Endpoint
from octoroute.errors import OctorouteError, UpstreamError, UpstreamRejected

MASK = b"***"
SHORTEST_SECRET = 8
"""Shorter values are words (`ollama`, `none`, `true`) that occur in messages."""


def mask_secrets(body: bytes, endpoint: Endpoint) -> bytes:
    """Return `body` without the endpoint's keys and the values of its configured headers, also as JSON or a URL spells them."""
    for secret in _spelled(endpoint):
        body = body.replace(secret.encode(), MASK)
    return body


def mask_error(error: OctorouteError, endpoint: Endpoint) -> None:
    """As `mask_secrets`, for all that a client or a log line may get of an UpstreamError. Other errors have no words of others."""
    if not isinstance(error, UpstreamError):
        return
    texts = (error.message, error.detail)
    if isinstance(error, UpstreamRejected):
        texts = (*texts, *error.upstream_headers.values())
        error.body = mask_secrets(error.body, endpoint)
    found = [secret for secret in _spelled(endpoint) if any(secret in text for text in texts)]
    if not found:
        return
    error.message, error.detail = _without(error.message, found), _without(error.detail, found)
    if isinstance(error, UpstreamRejected):
        error.upstream_headers = {name: _without(value, found) for name, value in error.upstream_headers.items()}


def _without(text: str, secrets: Sequence[str]) -> str:
    for secret in secrets:
        text = text.replace(secret, MASK.decode())
    return text


def _spelled(endpoint: Endpoint) -> Sequence[str]:
    """The longest first, which may hold a shorter one."""
    return sorted({spelling for text in endpoint_secrets(endpoint) for spelling in spellings(text)}, key=len, reverse=True)


def spellings(secret: str) -> Iterator[str]:
    """The text as it is, and as JSON and a URL write it; the token of an authorization by itself, too. Nothing if it is short."""
    scheme, _, token = secret.partition(" ")
    for text in (secret, token if scheme.lower() in {"bearer", "basic", "token"} else ""):
        if len(text) >= SHORTEST_SECRET:
            escaped = json.dumps(text)[1:-1]
            yield from {text, escaped, escaped.replace("/", r"\/"), quote(text, safe="")}


def endpoint_secrets(endpoint: Endpoint) -> Iterator[str]:
    """Its keys, and the values of its configured headers."""
    yield from (value for _, value in endpoint.headers)
    if endpoint.api_key is not None:
        yield endpoint.api_key.reveal()
    if endpoint.oauth2 is not None:
        yield endpoint.oauth2.client_secret.reveal()
        yield endpoint.oauth2.latest.text
    if endpoint.signing_key is not None:
        yield endpoint.signing_key.secret.reveal()
        if endpoint.signing_key.session_token is not None:
            yield endpoint.signing_key.session_token.reveal()
