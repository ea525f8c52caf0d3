"""Bedrock's servers as endpoints of the hub. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from octoroute.dialects.anthropic.outbound import with_filters
from octoroute.dialects.base import Decoder, Framer, Outbound, UsageTap
from octoroute.dialects.bedrock import errors
from octoroute.dialects.bedrock.event_stream import EventStreamSplitter
from octoroute.dialects.bedrock.model_limits import model_limits
from octoroute.dialects.bedrock.request_encoder import encode_request, unsupported
from octoroute.dialects.bedrock.stream_decoder import ConverseDecoder
from octoroute.dialects.bedrock.usage_tap import ConverseUsageTap
from octoroute.dialects.request.ids import client_names
from octoroute.dialects.response.filters import CompleteDecoder
from octoroute.domain.conversation import Conversation
from octoroute.domain.endpoint import Endpoint
from octoroute.domain.events import Event
from octoroute.errors import UpstreamError


class BedrockOutbound(Outbound):
    name = errors.NAME
    verifies_thinking = True
    cites_documents = True

    def encode_request(
        self, conversation: Conversation, endpoint: Endpoint, *, stream: bool, notes: list[str] | None = None
    ) -> bytes:
        del stream  # part of the address
        return encode_request(
            conversation,
            can=model_limits(endpoint.model, endpoint.name),
            default_max_tokens=endpoint.max_tokens,
            max_output_tokens=endpoint.max_output_tokens,
            notes=notes,
        )

    def unsupported(self, conversation: Conversation, endpoint: Endpoint) -> str | None:
        del endpoint  # all its models take the same blocks
        return unsupported(conversation)

    def framer(self) -> Framer:
        return EventStreamSplitter()

    def tap(self) -> UsageTap:
        return ConverseUsageTap()

    def decoder(self, conversation: Conversation | None = None, endpoint: Endpoint | None = None) -> Decoder:
        return _filtered(ConverseDecoder(client_names(conversation)), conversation, endpoint)

    def decode_response(
        self, body: bytes, conversation: Conversation | None = None, endpoint: Endpoint | None = None
    ) -> Sequence[Event]:
        events = ConverseDecoder(client_names(conversation)).decode_body(body)
        return _filtered(CompleteDecoder(events), conversation, endpoint).end()

    def read_error(self, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError | None:
        return errors.read_error(status, headers, body)


def _filtered(decoder: Decoder, conversation: Conversation | None, endpoint: Endpoint | None) -> Decoder:
    if conversation is None or endpoint is None:
        return decoder
    return with_filters(decoder, conversation, model_limits(endpoint.model, endpoint.name).limits)
