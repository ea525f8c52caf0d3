"""Azure OpenAI: OpenAI's format under deployment addresses, or under /openai/v1 where the base_url says so. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import quote

from octoroute.dialects.response.unsupported_params import fix_for_stream_options
from octoroute.domain.endpoint import PASSED_TIERS, Endpoint, Tier
from octoroute.upstream.providers.base import FixReader, Headers, Provider
from octoroute.upstream.providers.credentials import JSON, with_key
from octoroute.upstream.providers.openai import RESPONSES

_TAIL = re.compile(r"/openai(?:/v1|/deployments(?:/[^/]*)?)?$")
"""What a pasted base_url may hold after the resource's root."""
DEFAULT_VERSION = "2024-10-21"
_PATHS = {
    "chat": "chat/completions",
    RESPONSES: "responses",
    "completions": "completions",
    "embeddings": "embeddings",
    **{api: api for api, tier in PASSED_TIERS.items() if tier in {Tier.AUDIO, Tier.IMAGE} and api != "images/variations"},
}


class Azure(Provider):
    kind = "azure"
    dialect = "openai"
    passes: tuple[str, ...] = ()
    chat_apis: Mapping[str, str] = {RESPONSES: RESPONSES}
    credential_headers = frozenset({"api-key", "authorization"})

    def url(self, endpoint: Endpoint, api: str, *, stream: bool) -> str | None:
        del stream  # one address for both
        path = _PATHS.get(api)
        if path is None:
            return None
        if _is_v1(endpoint):
            return f"{_root(endpoint)}/openai/v1/{path}"
        if path == RESPONSES:  # the body names the deployment
            return f"{_root(endpoint)}/openai/{path}?api-version={_version(endpoint)}"
        deployment = quote(endpoint.model, safe="")
        return f"{_root(endpoint)}/openai/deployments/{deployment}/{path}?api-version={_version(endpoint)}"

    def wires(self, wire: str, base_url: str) -> tuple[str, ...] | None:
        return (RESPONSES,) if wire == RESPONSES else super().wires(wire, base_url)

    def headers(self, endpoint: Endpoint) -> Headers:
        """`api-key`; tokens of Entra come from `oauth2`, or are configured as `headers = { Authorization = "Bearer …" }`."""
        if any(name.lower() == "authorization" for name, _ in endpoint.headers):
            return (JSON, *endpoint.headers)
        return with_key(endpoint, "api-key", "", (JSON,))

    def probe_url(self, endpoint: Endpoint) -> str:
        if _is_v1(endpoint):
            return f"{_root(endpoint)}/openai/v1/models"
        return f"{_root(endpoint)}/openai/models?api-version={_version(endpoint)}"

    def may_drop_params(self, endpoint: Endpoint, *, stream: bool) -> FixReader | None:
        """Its older API versions refuse `stream_options`, which clients' libraries send of their own accord."""
        del endpoint
        return fix_for_stream_options if stream else None


def _is_v1(endpoint: Endpoint) -> bool:
    """The form without dated versions, since August 2025."""
    return endpoint.api_version is None and endpoint.base_url.endswith("/openai/v1")


def _version(endpoint: Endpoint) -> str:
    return quote(endpoint.api_version or DEFAULT_VERSION, safe="")


def _root(endpoint: Endpoint) -> str:
    return _TAIL.sub("", endpoint.base_url)
