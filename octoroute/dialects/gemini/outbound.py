"""Gemini servers as endpoints of the hub. Pure, except that it keeps the thought signatures that clients drop."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from time import monotonic

import msgspec

from octoroute.dialects.base import Decoder, Outbound, UsageTap
from octoroute.dialects.gemini.request_encoder import encode_request, surplus_stops, unsupported
from octoroute.dialects.gemini.signatures import Signatures
from octoroute.dialects.gemini.stream_decoder import GeminiDecoder
from octoroute.dialects.gemini.usage_tap import GeminiUsageTap
from octoroute.dialects.request.ids import client_names
from octoroute.dialects.response.filters import CompleteDecoder, StopSequenceFilter
from octoroute.dialects.response.upstream_error import read_upstream_error
from octoroute.domain.conversation import Conversation
from octoroute.domain.endpoint import Endpoint
from octoroute.domain.events import Event
from octoroute.errors import UpstreamError


class GeminiOutbound(Outbound):
    """`clock`: seconds, monotonic; by it the signatures expire."""

    name = "gemini"

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._signatures = Signatures(clock)

    def encode_request(
        self, conversation: Conversation, endpoint: Endpoint, *, stream: bool, notes: list[str] | None = None
    ) -> bytes:
        del stream  # part of the address
        return encode_request(
            self._signatures.restore(conversation),
            model=endpoint.model,
            default_max_tokens=endpoint.max_tokens,
            max_output_tokens=endpoint.max_output_tokens,
            notes=notes,
        )

    def unsupported(self, conversation: Conversation, endpoint: Endpoint) -> str | None:
        return unsupported(conversation, endpoint.model)

    def tap(self) -> UsageTap:
        return GeminiUsageTap()

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

    def count_request(self, body: bytes, endpoint: Endpoint) -> bytes:
        """The whole request in an envelope, with the model's name in it (https://ai.google.dev/api/tokens)."""
        fields = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
        model = msgspec.Raw(msgspec.json.encode(f"models/{endpoint.model.removeprefix('models/')}"))
        return msgspec.json.encode({"generateContentRequest": {"model": model, **fields}})

    def read_count(self, body: bytes) -> int | None:
        try:
            return _COUNT.decode(body).tokens
        except (ValueError, RecursionError):
            return None

    def _plain(self, conversation: Conversation | None) -> GeminiDecoder:
        return GeminiDecoder(client_names(conversation), keep=self._signatures.keep)


class _GeminiCount(msgspec.Struct):
    tokens: int | None = msgspec.field(name="totalTokens", default=None)


_COUNT = msgspec.json.Decoder(_GeminiCount)


def _filtered(decoder: Decoder, conversation: Conversation | None) -> Decoder:
    stops = surplus_stops(conversation) if conversation is not None else ()
    return StopSequenceFilter(decoder, stops) if stops else decoder
