"""OpenAI-compatible servers as endpoints of the hub: requests and responses adapted to their quirks. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from octoroute.dialects.base import Decoder, Outbound
from octoroute.dialects.openai.compat import quirks_of
from octoroute.dialects.openai.request_encoder import encode_request, surplus_stops, unsupported
from octoroute.dialects.openai.response import decode_response
from octoroute.dialects.openai.stream_decoder import OpenAIDecoder
from octoroute.dialects.openai.usage_tap import OpenAIUsageTap
from octoroute.dialects.request.ids import client_names
from octoroute.dialects.response.filters import CompleteDecoder, StopSequenceFilter, ThinkTagFilter
from octoroute.dialects.response.upstream_error import read_upstream_error
from octoroute.domain.conversation import Conversation
from octoroute.domain.endpoint import Endpoint
from octoroute.domain.events import Event
from octoroute.errors import UpstreamError


class OpenAIOutbound(Outbound):
    name = "openai"

    def encode_request(
        self, conversation: Conversation, endpoint: Endpoint, *, stream: bool, notes: list[str] | None = None
    ) -> bytes:
        return encode_request(
            conversation,
            model=endpoint.model,
            quirks=quirks_of(endpoint),
            stream=stream,
            max_output_tokens=endpoint.max_output_tokens,
            notes=notes,
        )

    def unsupported(self, conversation: Conversation, endpoint: Endpoint) -> str | None:
        return unsupported(conversation, quirks_of(endpoint))

    def mends(self, endpoint: Endpoint) -> bool:
        return quirks_of(endpoint).mend_tool_calls

    def tap(self) -> OpenAIUsageTap:
        return OpenAIUsageTap()

    def decoder(self, conversation: Conversation | None = None, endpoint: Endpoint | None = None) -> Decoder:
        return _filtered(
            OpenAIDecoder(client_names(conversation), conversation.tools if conversation else ()), conversation, endpoint
        )

    def decode_response(
        self, body: bytes, conversation: Conversation | None = None, endpoint: Endpoint | None = None
    ) -> Sequence[Event]:
        events = decode_response(body, client_names(conversation), conversation.tools if conversation else ())
        return _filtered(CompleteDecoder(events), conversation, endpoint).end()

    def read_error(self, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError | None:
        return read_upstream_error(status, headers, body, self.name)


def _filtered(decoder: Decoder, conversation: Conversation | None, endpoint: Endpoint | None) -> Decoder:
    if conversation is None or endpoint is None:
        return decoder
    quirks = quirks_of(endpoint)
    if quirks.think_tags:
        decoder = ThinkTagFilter(decoder)
    stops = surplus_stops(conversation, quirks)
    return StopSequenceFilter(decoder, stops) if stops else decoder
