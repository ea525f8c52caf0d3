"""Clients that speak Messages: their own bytes to endpoints that speak it too, the hub to others. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from octoroute.dialects.anthropic.request import AnthropicReader
from octoroute.dialects.anthropic.request_decoder import decode_request
from octoroute.dialects.anthropic.response import encode_response
from octoroute.dialects.anthropic.schema import ThinkingConfig
from octoroute.dialects.anthropic.stream_encoder import AnthropicEncoder
from octoroute.dialects.request.body import RequestBody
from octoroute.domain.conversation import Conversation
from octoroute.domain.endpoint import Endpoint
from octoroute.domain.events import Event
from octoroute.domain.request import Request

_THINKING = msgspec.json.Decoder(ThinkingConfig | None)


class AnthropicInbound(AnthropicReader):
    def conversation(self, request: Request, endpoint: Endpoint) -> Conversation:
        del endpoint  # the request says all
        assert isinstance(request.body, RequestBody)
        return decode_request(request.body.raw)

    def encoder(self, request: Request) -> AnthropicEncoder:
        return AnthropicEncoder(
            model=request.model, input_tokens=request.facts.context_tokens, show_thinking=_shows_thinking(request)
        )

    def encode_response(self, request: Request, events: Sequence[Event]) -> bytes:
        return encode_response(
            events, model=request.model, input_tokens=request.facts.context_tokens, show_thinking=_shows_thinking(request)
        )


def _shows_thinking(request: Request) -> bool:
    """Only to clients that asked for it."""
    assert isinstance(request.body, RequestBody)
    config = request.body.decode("thinking", _THINKING)
    return config is not None and config.type != "disabled" and config.display != "omitted"
