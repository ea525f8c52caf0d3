"""Clients that speak Messages: their own bytes to endpoints that speak it too, the hub to others. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from octoroute.dialects.anthropic.request import AnthropicReader
from octoroute.dialects.anthropic.request_decoder import read_question
from octoroute.dialects.anthropic.response import write_whole
from octoroute.dialects.anthropic.schema import ThinkingConfig
from octoroute.dialects.anthropic.stream_encoder import AnthropicEncoder
from octoroute.dialects.request.body import Body
from octoroute.domain.conversation import Conversation
from octoroute.domain.endpoint import Endpoint
from octoroute.domain.events import Event
from octoroute.domain.request import Request

_THINKING = msgspec.json.Decoder(ThinkingConfig | None)


class AnthropicInbound(AnthropicReader):
    def conversation(self, request: Request, endpoint: Endpoint) -> Conversation:
        del endpoint  # the request says all
        assert isinstance(request.body, Body)
        return read_question(request.body.raw)

    def encoder(self, request: Request) -> AnthropicEncoder:
        return AnthropicEncoder(
            model=request.model, input_tokens=request.facts.context_tokens, show_thinking=_shows_thinking(request)
        )

    def whole(self, request: Request, events: Sequence[Event]) -> bytes:
        return write_whole(
            events, model=request.model, input_tokens=request.facts.context_tokens, show_thinking=_shows_thinking(request)
        )


def _shows_thinking(request: Request) -> bool:
    """Only to clients that asked for it."""
    assert isinstance(request.body, Body)
    config = request.body.decode("thinking", _THINKING)
    return config is not None and config.type != "disabled" and config.display != "omitted"
