"""Anthropic's Messages API, and other servers that speak it. Pure."""

from __future__ import annotations

from urllib.parse import urlsplit

from octoroute.dialects.response.unsupported_params import fix_for_client_request
from octoroute.domain.endpoint import Endpoint
from octoroute.upstream.providers.base import FixReader, Headers, Provider
from octoroute.upstream.providers.credentials import JSON, with_key

HOST = "api.anthropic.com"
VERSION = ("anthropic-version", "2023-06-01")
_PATHS = {"chat": "/messages", "count_tokens": "/messages/count_tokens"}


class Anthropic(Provider):
    kind = "anthropic"
    dialect = "anthropic"
    passes: tuple[str, ...] = ("anthropic-version", "anthropic-beta")
    credential_headers = frozenset({"x-api-key"})

    def url(self, endpoint: Endpoint, api: str, *, stream: bool) -> str | None:
        del stream  # one address for both
        path = _PATHS.get(api)
        return None if path is None else endpoint.base_url + path

    def headers(self, endpoint: Endpoint) -> Headers:
        return with_key(endpoint, "x-api-key", "", (JSON, VERSION))

    def probe_url(self, endpoint: Endpoint) -> str:
        return endpoint.base_url + "/models"

    def may_drop_params(self, endpoint: Endpoint, *, stream: bool) -> FixReader | None:
        """Other servers refuse fields and betas that clients wrote for Anthropic's."""
        del stream
        return None if urlsplit(endpoint.base_url).hostname == HOST else fix_for_client_request
