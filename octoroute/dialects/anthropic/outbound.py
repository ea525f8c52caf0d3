"""Anthropic servers as endpoints of the hub. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from octoroute.dialects.anthropic.model_limits import AnthropicModelLimits, model_limits
from octoroute.dialects.anthropic.request_encoder import (
    encode_request,
    surplus_stops,
    unsupported,
    uses_response_tool,
)
from octoroute.dialects.anthropic.response import decode_response
from octoroute.dialects.anthropic.stream_decoder import AnthropicDecoder
from octoroute.dialects.anthropic.structured_output import RESPONSE_TOOL
from octoroute.dialects.anthropic.usage_tap import AnthropicUsageTap
from octoroute.dialects.base import Decoder, Outbound
from octoroute.dialects.request.ids import client_names
from octoroute.dialects.response.filters import CompleteDecoder, ResponseToolFilter, StopSequenceFilter
from octoroute.dialects.response.upstream_error import read_upstream_error
from octoroute.domain.conversation import Conversation
from octoroute.domain.endpoint import Endpoint
from octoroute.domain.events import Event
from octoroute.errors import UpstreamError


class AnthropicOutbound(Outbound):
    name = "anthropic"
    verifies_thinking = True
    cites_documents = True

    def encode_request(
        self, conversation: Conversation, endpoint: Endpoint, *, stream: bool, notes: list[str] | None = None
    ) -> bytes:
        return encode_request(
            conversation,
            model=endpoint.model,
            stream=stream,
            default_max_tokens=endpoint.max_tokens,
            max_output_tokens=endpoint.max_output_tokens,
            notes=notes,
        )

    def unsupported(self, conversation: Conversation, endpoint: Endpoint) -> str | None:
        del endpoint  # all its servers take the same
        return unsupported(conversation)

    def tap(self) -> AnthropicUsageTap:
        return AnthropicUsageTap()

    def decoder(self, conversation: Conversation | None = None, endpoint: Endpoint | None = None) -> Decoder:
        return _filtered(AnthropicDecoder(client_names(conversation)), conversation, endpoint)

    def decode_response(
        self, body: bytes, conversation: Conversation | None = None, endpoint: Endpoint | None = None
    ) -> Sequence[Event]:
        return _filtered(CompleteDecoder(decode_response(body, client_names(conversation))), conversation, endpoint).end()

    def read_error(self, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError | None:
        return read_upstream_error(status, headers, body, self.name)


def _filtered(decoder: Decoder, conversation: Conversation | None, endpoint: Endpoint | None) -> Decoder:
    if conversation is None or endpoint is None:
        return decoder
    return with_filters(decoder, conversation, model_limits(endpoint.model))


def with_filters(decoder: Decoder, conversation: Conversation, can: AnthropicModelLimits) -> Decoder:
    """`decoder`, with what the model does not do itself: surplus stop sequences, and structured output by a forced tool."""
    stops = surplus_stops(conversation)
    if stops:
        decoder = StopSequenceFilter(decoder, stops)
    return ResponseToolFilter(decoder, RESPONSE_TOOL) if uses_response_tool(conversation, can) else decoder
