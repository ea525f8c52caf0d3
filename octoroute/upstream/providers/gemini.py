"""Google's Gemini API. The key is sent in a header, never in an address. Pure."""

from __future__ import annotations

from urllib.parse import quote

from octoroute.domain.endpoint import Endpoint
from octoroute.upstream.providers.base import Headers, Provider
from octoroute.upstream.providers.credentials import JSON, with_key

_METHODS = {
    ("chat", False): "generateContent",
    ("chat", True): "streamGenerateContent?alt=sse",
    ("count_tokens", False): "countTokens",
    ("embeddings", False): "batchEmbedContents",
}


class Gemini(Provider):
    kind = "gemini"
    dialect = "gemini"
    passes: tuple[str, ...] = ()
    credential_headers = frozenset({"x-goog-api-key"})

    def url(self, endpoint: Endpoint, api: str, *, stream: bool) -> str | None:
        method = _METHODS.get((api, stream))
        if method is None:
            return None
        return f"{endpoint.base_url}/models/{quote(endpoint.model.removeprefix('models/'), safe='')}:{method}"

    def headers(self, endpoint: Endpoint) -> Headers:
        return with_key(endpoint, "x-goog-api-key", "", (JSON,))

    def probe_url(self, endpoint: Endpoint) -> str:
        return endpoint.base_url + "/models"
