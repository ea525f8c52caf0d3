"""The vendors, one file each. Adding one is a file and a line here."""

from collections.abc import Mapping

from octoroute.providers.anthropic import Anthropic
from octoroute.providers.azure import Azure
from octoroute.providers.base import Provider
from octoroute.providers.gemini import Gemini
from octoroute.providers.openai import OpenAI

PROVIDERS: Mapping[str, Provider] = {provider.kind: provider for provider in (OpenAI(), Azure(), Anthropic(), Gemini())}
KINDS = tuple(PROVIDERS)

__all__ = ["KINDS", "PROVIDERS", "Provider"]
