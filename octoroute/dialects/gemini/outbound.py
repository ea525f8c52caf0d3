"""Gemini servers as endpoints of the hub. Pure but for the signatures it keeps for clients that drop them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from time import monotonic

from octoroute.dialects.base import Decoder, UsageTap
from octoroute.dialects.gemini.request_encoder import encode_request, surplus_stops, unsupported
from octoroute.dialects.gemini.signatures import Signatures
from octoroute.dialects.gemini.stream_decoder import GeminiDecoder
from octoroute.dialects.request.ids import client_names
from octoroute.dialects.response.errors import read_upstream_error
from octoroute.dialects.response.filters import CompleteDecoder, StopSequenceFilter
from octoroute.domain.conversation import Conversation
from octoroute.domain.endpoint import Endpoint
from octoroute.domain.events import Event
from octoroute.errors import UpstreamError


class GeminiOutbound:
    """`clock` counts seconds; it only ages the signatures."""

    name = "gemini"

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._signatures = Signatures(clock)

    def encode_request(
        self, conversation: Conversation, endpoint: Endpoint, *, stream: bool, notes: list[str] | None = None
    ) -> bytes:
        del stream  # the address says it
        return encode_request(
            self._signatures.restore(conversation),
            model=endpoint.model,
            default_max_tokens=endpoint.max_tokens,
            max_output_tokens=endpoint.max_output_tokens,
            notes=notes,
        )

    def unsupported(self, conversation: Conversation, endpoint: Endpoint) -> str | None:
        del endpoint  # all of them speak alike
        return unsupported(conversation)

    def tap(self) -> UsageTap:
        raise NotImplementedError("no client speaks this dialect, so nothing is passed through")

    def decoder(self, conversation: Conversation | None = None, endpoint: Endpoint | None = None) -> Decoder:
        del endpoint
        return _filtered(self._plain(conversation), conversation)

    def decode_response(
        self, body: bytes, conversation: Conversation | None = None, endpoint: Endpoint | None = None
    ) -> Sequence[Event]:
        del endpoint
        return _filtered(CompleteDecoder(self._plain(conversation).decode_body(body)), conversation).end()

    def read_error(self, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError | None:
        return read_upstream_error(status, headers, body, self.name)

    def _plain(self, conversation: Conversation | None) -> GeminiDecoder:
        return GeminiDecoder(client_names(conversation), keep=self._signatures.keep)


def _filtered(decoder: Decoder, conversation: Conversation | None) -> Decoder:
    stops = surplus_stops(conversation) if conversation is not None else ()
    return StopSequenceFilter(decoder, stops) if stops else decoder
