"""How a key becomes a header, the same for every kind. Pure."""

from __future__ import annotations

from octoroute.domain.endpoint import Endpoint
from octoroute.upstream.providers.base import Headers

JSON = ("content-type", "application/json")


def with_key(endpoint: Endpoint, name: str, prefix: str, defaults: Headers) -> Headers:
    """`defaults`, the configured headers, and the key under `name`; a configured header takes precedence over both."""
    configured = {header.lower() for header, _ in endpoint.headers}
    headers = (*((header, value) for header, value in defaults if header not in configured), *endpoint.headers)
    if endpoint.api_key is None or name in configured:
        return headers
    return (*headers, (name, prefix + endpoint.api_key.reveal()))
