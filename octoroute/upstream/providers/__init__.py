"""The vendors' APIs, one file each. Adding one takes a file and a line here."""

from collections.abc import Mapping

from octoroute.upstream.providers.anthropic import Anthropic
from octoroute.upstream.providers.azure import Azure
from octoroute.upstream.providers.base import Provider
from octoroute.upstream.providers.bedrock import Bedrock
from octoroute.upstream.providers.gemini import Gemini
from octoroute.upstream.providers.openai import OpenAI

PROVIDERS: Mapping[str, Provider] = {provider.kind: provider for provider in (OpenAI(), Azure(), Anthropic(), Gemini(), Bedrock())}
KINDS = tuple(PROVIDERS)

__all__ = ["KINDS", "PROVIDERS", "Provider"]
