"""Endpoints that are asked in the Responses format, such as OpenAI's own. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from octoroute.dialects.base import Decoder, Outbound
from octoroute.dialects.openai.compat import quirks_of
from octoroute.dialects.request.ids import client_names
from octoroute.dialects.response.filters import CompleteDecoder, StopSequenceFilter
from octoroute.dialects.response.upstream_error import read_upstream_error
from octoroute.dialects.responses.output_item import decode_response
from octoroute.dialects.responses.request_encoder import encode_request, unsupported
from octoroute.dialects.responses.stream_decoder import ResponsesDecoder
from octoroute.dialects.responses.usage_tap import ResponsesUsageTap
from octoroute.domain.conversation import Conversation
from octoroute.domain.endpoint import Endpoint
from octoroute.domain.events import Event
from octoroute.errors import UpstreamError


class ResponsesOutbound(Outbound):
    name = "responses"

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
        del endpoint  # the format decides
        return unsupported(conversation)

    def tap(self) -> ResponsesUsageTap:
        return ResponsesUsageTap()

    def decoder(self, conversation: Conversation | None = None, endpoint: Endpoint | None = None) -> Decoder:
        del endpoint
        decoder = ResponsesDecoder(client_names(conversation), strict=conversation is None)
        return _stopped(decoder, conversation)

    def decode_response(
        self, body: bytes, conversation: Conversation | None = None, endpoint: Endpoint | None = None
    ) -> Sequence[Event]:
        del endpoint
        events = decode_response(body, client_names(conversation), strict=conversation is None)
        return _stopped(CompleteDecoder(events), conversation).end()

    def read_error(self, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError | None:
        return read_upstream_error(status, headers, body, self.name)


def _stopped(decoder: Decoder, conversation: Conversation | None) -> Decoder:
    """The format has no stop sequences, so all of them are enforced here."""
    if conversation is None or not conversation.stop:
        return decoder
    return StopSequenceFilter(decoder, conversation.stop)
