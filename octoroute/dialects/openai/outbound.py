"""OpenAI-compatible servers as endpoints of the hub: question, stream, and whole answer composed with their quirks. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from octoroute.dialects.base import Decoder
from octoroute.dialects.openai.compat import quirks_of
from octoroute.dialects.openai.request_encoder import surplus_stops, unsayable, write_question
from octoroute.dialects.openai.response import read_whole
from octoroute.dialects.openai.stream_decoder import OpenAIDecoder
from octoroute.dialects.openai.usage_tap import OpenAITap
from octoroute.dialects.request.ids import client_names
from octoroute.dialects.response.errors import read_upstream_error
from octoroute.dialects.response.filters import Arrived, StopAt, ThinkTags
from octoroute.domain.conversation import Conversation
from octoroute.domain.endpoint import Endpoint
from octoroute.domain.events import Event
from octoroute.errors import UpstreamError


class OpenAIOutbound:
    name = "openai"

    def write(self, conversation: Conversation, endpoint: Endpoint, *, stream: bool, notes: list[str] | None = None) -> bytes:
        return write_question(
            conversation,
            model=endpoint.model,
            quirks=quirks_of(endpoint),
            stream=stream,
            max_output_tokens=endpoint.max_output_tokens,
            notes=notes,
        )

    def unsayable(self, conversation: Conversation, endpoint: Endpoint) -> str | None:
        return unsayable(conversation, quirks_of(endpoint))

    def tap(self) -> OpenAITap:
        return OpenAITap()

    def decoder(self, conversation: Conversation | None = None, endpoint: Endpoint | None = None) -> Decoder:
        return _filtered(OpenAIDecoder(client_names(conversation)), conversation, endpoint)

    def decode_whole(
        self, body: bytes, conversation: Conversation | None = None, endpoint: Endpoint | None = None
    ) -> Sequence[Event]:
        return _filtered(Arrived(read_whole(body, client_names(conversation))), conversation, endpoint).end()

    def read_error(self, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError | None:
        return read_upstream_error(status, headers, body, self.name)


def _filtered(decoder: Decoder, conversation: Conversation | None, endpoint: Endpoint | None) -> Decoder:
    if conversation is None or endpoint is None:
        return decoder
    quirks = quirks_of(endpoint)
    if quirks.think_tags:
        decoder = ThinkTags(decoder)
    stops = surplus_stops(conversation, quirks)
    return StopAt(decoder, stops) if stops else decoder
