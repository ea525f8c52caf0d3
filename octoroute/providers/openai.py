"""Any server that speaks OpenAI's API: OpenAI itself, Ollama, llama.cpp, LM Studio, vLLM, and most of the cloud. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from octoroute.types import Endpoint

_PATHS = {"chat": "/chat/completions", "completions": "/completions", "embeddings": "/embeddings"}


class OpenAI:
    kind = "openai"
    dialect = "openai"

    def url(self, endpoint: Endpoint, api: str, *, stream: bool) -> str | None:  # noqa: ARG002 - one address for both
        path = _PATHS.get(api)
        return None if path is None else endpoint.base_url + path

    def headers(self, endpoint: Endpoint, client_headers: Mapping[str, str]) -> tuple[tuple[str, str], ...]:  # noqa: ARG002
        headers = (("content-type", "application/json"), *endpoint.headers)
        if endpoint.api_key is None or any(name.lower() == "authorization" for name, _ in endpoint.headers):
            return headers
        return (*headers, ("authorization", f"Bearer {endpoint.api_key.reveal()}"))

    def probe_url(self, endpoint: Endpoint) -> str:
        return endpoint.base_url + "/models"
