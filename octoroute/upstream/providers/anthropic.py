"""Anthropic's Messages API, and servers that speak it too. Pure."""

from __future__ import annotations

from octoroute.domain.endpoint import Endpoint
from octoroute.upstream.providers.credentials import JSON, with_key

VERSION = ("anthropic-version", "2023-06-01")
_PATHS = {"chat": "/messages", "count_tokens": "/messages/count_tokens"}


class Anthropic:
    kind = "anthropic"
    dialect = "anthropic"
    passes: tuple[str, ...] = ("anthropic-version", "anthropic-beta")

    def url(self, endpoint: Endpoint, api: str, *, stream: bool) -> str | None:
        del stream  # one address for both
        path = _PATHS.get(api)
        return None if path is None else endpoint.base_url + path

    def headers(self, endpoint: Endpoint) -> tuple[tuple[str, str], ...]:
        return with_key(endpoint, "x-api-key", "", (JSON, VERSION))

    def probe_url(self, endpoint: Endpoint) -> str:
        return endpoint.base_url + "/models"
