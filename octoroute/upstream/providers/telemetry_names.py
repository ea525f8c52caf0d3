"""What OpenTelemetry's conventions call the vendors (`gen_ai.provider.name`). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from octoroute.domain.endpoint import Endpoint

_BY_KIND: Mapping[str, str] = {"azure": "azure.ai.openai", "bedrock": "aws.bedrock", "gemini": "gcp.gemini"}
_BY_HOST: Mapping[str, str] = {
    "api.openai.com": "openai",
    "api.groq.com": "groq",
    "api.mistral.ai": "mistral_ai",
    "api.deepseek.com": "deepseek",
    "api.x.ai": "x_ai",
    "api.cohere.com": "cohere",
    "api.cohere.ai": "cohere",
    "api.perplexity.ai": "perplexity",
    "api.moonshot.ai": "moonshot_ai",
    "api.moonshot.cn": "moonshot_ai",
}


def telemetry_name(endpoint: Endpoint) -> str:
    """The well-known name of the vendor; of another server the name of the endpoint's provider in the configuration."""
    known = _BY_KIND.get(endpoint.kind) or _BY_HOST.get((urlsplit(endpoint.base_url).hostname or "").lower())
    return known or (endpoint.provider if endpoint.provider != endpoint.kind else endpoint.kind)
