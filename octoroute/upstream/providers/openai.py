"""Any server that speaks OpenAI's API: OpenAI itself, Ollama, llama.cpp, LM Studio, vLLM, and most of the cloud. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from octoroute.domain.endpoint import PASSED_TIERS, Endpoint
from octoroute.upstream.providers.base import Headers, Provider
from octoroute.upstream.providers.credentials import JSON, with_key

HOST = "api.openai.com"
RESPONSES = "responses"
_PATHS = {
    "chat": "/chat/completions",
    RESPONSES: "/responses",
    "completions": "/completions",
    "embeddings": "/embeddings",
    **{api: f"/{api}" for api in PASSED_TIERS},
}


class OpenAI(Provider):
    kind = "openai"
    dialect = "openai"
    passes: tuple[str, ...] = ()
    chat_apis: Mapping[str, str] = {RESPONSES: RESPONSES}

    def url(self, endpoint: Endpoint, api: str, *, stream: bool) -> str | None:
        del stream  # one address for both
        path = _PATHS.get(api)
        return None if path is None else endpoint.base_url + path

    def wires(self, wire: str, base_url: str) -> tuple[str, ...] | None:
        """OpenAI itself speaks both formats. Its newest models think between tool calls in the Responses format only."""
        if wire == RESPONSES:
            return (RESPONSES,)
        if not wire and urlsplit(base_url).hostname == HOST:
            return (RESPONSES, self.dialect)
        return super().wires(wire, base_url)

    def headers(self, endpoint: Endpoint) -> Headers:
        return with_key(endpoint, "authorization", "Bearer ", (JSON,))

    def probe_url(self, endpoint: Endpoint) -> str:
        return endpoint.base_url + "/models"
