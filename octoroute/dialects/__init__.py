"""The wire formats. A new one is a package and its line here: `inbound` for clients, `outbound` for endpoints.

Instances belong to one runtime: Gemini's keeps the thought signatures that clients drop.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from octoroute.dialects.anthropic.inbound import AnthropicInbound
from octoroute.dialects.anthropic.outbound import AnthropicOutbound
from octoroute.dialects.base import ApiAdapter, Inbound, Outbound
from octoroute.dialects.bedrock.outbound import BedrockOutbound
from octoroute.dialects.chat import ChatInbound
from octoroute.dialects.gemini.embed_inbound import GeminiEmbedInbound
from octoroute.dialects.gemini.embeddings import GeminiEmbeddings
from octoroute.dialects.gemini.inbound import GeminiInbound
from octoroute.dialects.gemini.outbound import GeminiOutbound
from octoroute.dialects.internal import InternalInbound
from octoroute.dialects.ollama.embeddings import OllamaEmbeddings
from octoroute.dialects.ollama.inbound import OllamaInbound
from octoroute.dialects.openai.completions import CompletionsInbound
from octoroute.dialects.openai.embeddings import EmbeddingsInbound
from octoroute.dialects.openai.inbound import OpenAIInbound
from octoroute.dialects.openai.outbound import OpenAIOutbound
from octoroute.dialects.openai.pass_through import PASSED, PassThroughInbound
from octoroute.dialects.responses.inbound import ResponsesInbound
from octoroute.dialects.responses.outbound import ResponsesOutbound

DEFAULT = OpenAIInbound.name
"""The format of clients that say nothing of theirs."""
SHARED = (OpenAIInbound.name, ResponsesInbound.name, AnthropicInbound.name, GeminiInbound.name)
"""The formats that both clients and endpoints speak, so that requests can pass through untranslated."""
SUFFIXES = (OpenAIInbound.name, AnthropicInbound.name, GeminiInbound.name)
"""The formats that a client can append to a name to choose among endpoints of that name."""
OUTBOUND_NAMES = (OpenAIOutbound.name, ResponsesOutbound.name, AnthropicOutbound.name, GeminiOutbound.name, BedrockOutbound.name)


def inbound(wall: Callable[[], float]) -> Mapping[str, Inbound]:
    """`wall`: seconds since the epoch, for responses that hold a date."""
    return {
        dialect.name: dialect
        for dialect in (
            OpenAIInbound(wall),
            ResponsesInbound(wall),
            AnthropicInbound(),
            GeminiInbound(),
            OllamaInbound(wall),
            ChatInbound(),
            InternalInbound(),
        )
    }


def outbound(clock: Callable[[], float]) -> Mapping[str, Outbound]:
    return {
        dialect.name: dialect
        for dialect in (OpenAIOutbound(), ResponsesOutbound(), AnthropicOutbound(), GeminiOutbound(clock), BedrockOutbound())
    }


def interfaces(wall: Callable[[], float]) -> Mapping[str, Inbound]:
    """The interfaces other than chat: by `Request.api`, and by the name of the format for those that become one of these."""
    passed = (PassThroughInbound(wall, interface) for interface in PASSED)
    return {
        **{dialect.api: dialect for dialect in (CompletionsInbound(wall), EmbeddingsInbound(wall), *passed)},
        "gemini embedContent": GeminiEmbedInbound(wall, batch=False),
        "gemini batchEmbedContents": GeminiEmbedInbound(wall, batch=True),
        "ollama embed": OllamaEmbeddings(wall),
        "ollama embeddings": OllamaEmbeddings(wall, older=True),
    }


ADAPTERS: Mapping[tuple[str, str], ApiAdapter] = {("embeddings", "gemini"): GeminiEmbeddings()}
"""By `Request.api` and the endpoint's dialect. Without an adapter, such a request goes only to endpoints of its own dialect."""
