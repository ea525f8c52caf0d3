"""Clients that speak Chat Completions: their own bytes to endpoints that speak it too, the hub to others. Pure but for a clock."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from octoroute.dialects.openai.request import OpenAIReader
from octoroute.dialects.openai.request_decoder import decode_request
from octoroute.dialects.openai.response import encode_response
from octoroute.dialects.openai.stream_encoder import OpenAIEncoder
from octoroute.dialects.request.body import RequestBody
from octoroute.domain.conversation import Conversation
from octoroute.domain.endpoint import Endpoint
from octoroute.domain.events import Event
from octoroute.domain.request import Request


class OpenAIInbound(OpenAIReader):
    def __init__(self, wall: Callable[[], float]) -> None:
        self._wall = wall

    def conversation(self, request: Request, endpoint: Endpoint) -> Conversation:
        del endpoint  # the request says all
        assert isinstance(request.body, RequestBody)
        return decode_request(request.body.raw)

    def encoder(self, request: Request) -> OpenAIEncoder:
        return OpenAIEncoder(
            model=request.model,
            created_s=int(self._wall()),
            include_usage=request.wants_usage,
            input_tokens=request.facts.context_tokens,
        )

    def encode_response(self, request: Request, events: Sequence[Event]) -> bytes:
        return encode_response(events, model=request.model, created_s=int(self._wall()), input_tokens=request.facts.context_tokens)
