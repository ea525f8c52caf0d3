"""The gateway's secrets in what an upstream says: an endpoint that echoes its request must not tell clients our key. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from urllib.parse import quote

from octoroute.domain.endpoint import Endpoint

MASK = b"***"
SHORTEST_SECRET = 8
"""Shorter values are words (`ollama`, `none`, `true`) that occur in messages."""


def mask_secrets(body: bytes, endpoint: Endpoint) -> bytes:
    """Return `body` without the endpoint's keys and the values of its configured headers, also as JSON or a URL spells them."""
    for secret in sorted(_spellings(endpoint), key=len, reverse=True):
        body = body.replace(secret, MASK)
    return body


def _spellings(endpoint: Endpoint) -> set[bytes]:
    found: set[bytes] = set()
    for text in _secrets(endpoint):
        escaped = json.dumps(text)[1:-1]
        found |= {text.encode(), escaped.encode(), escaped.replace("/", r"\/").encode(), quote(text, safe="").encode()}
    return found


def _secrets(endpoint: Endpoint) -> Iterator[str]:
    values = [value for _, value in endpoint.headers]
    if endpoint.api_key is not None:
        values.append(endpoint.api_key.reveal())
    if endpoint.signing_key is not None:
        token = endpoint.signing_key.session_token
        values += [endpoint.signing_key.secret.reveal(), *([token.reveal()] if token is not None else [])]
    for value in values:
        scheme, _, token = value.partition(" ")
        if len(value) >= SHORTEST_SECRET:
            yield value
        if scheme.lower() in {"bearer", "basic", "token"} and len(token) >= SHORTEST_SECRET:
            yield token
