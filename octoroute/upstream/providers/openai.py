"""Any server that speaks OpenAI's API: OpenAI itself, Ollama, llama.cpp, LM Studio, vLLM, and most of the cloud. Pure."""

from __future__ import annotations

from octoroute.domain.endpoint import Endpoint
from octoroute.upstream.providers.base import Headers, Provider
from octoroute.upstream.providers.credentials import JSON, with_key

_PATHS = {"chat": "/chat/completions", "completions": "/completions", "embeddings": "/embeddings"}


class OpenAI(Provider):
    kind = "openai"
    dialect = "openai"
    passes: tuple[str, ...] = ()

    def url(self, endpoint: Endpoint, api: str, *, stream: bool) -> str | None:
        del stream  # one address for both
        path = _PATHS.get(api)
        return None if path is None else endpoint.base_url + path

    def headers(self, endpoint: Endpoint) -> Headers:
        return with_key(endpoint, "authorization", "Bearer ", (JSON,))

    def probe_url(self, endpoint: Endpoint) -> str:
        return endpoint.base_url + "/models"
