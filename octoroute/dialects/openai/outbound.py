"""OpenAI-compatible servers as endpoints of the hub: question, stream, and whole answer composed with their quirks. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from octoroute.conversation import Conversation
from octoroute.dialects.base import Decoder
from octoroute.dialects.filters import StopAt, ThinkTags
from octoroute.dialects.ids import client_names
from octoroute.dialects.openai.answer import read_whole
from octoroute.dialects.openai.asking import surplus_stops, unsayable, write_question
from octoroute.dialects.openai.decoder import OpenAIDecoder
from octoroute.dialects.openai.quirks import quirks_of
from octoroute.events import Event
from octoroute.types import Endpoint


class OpenAIHub:
    """The translating half of `Outbound`; taps and error bodies are elsewhere."""

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

    def decoder(self, conversation: Conversation, endpoint: Endpoint) -> Decoder:
        return _filtered(OpenAIDecoder(_names(conversation)), conversation, endpoint)

    def decode_whole(self, body: bytes, conversation: Conversation, endpoint: Endpoint) -> Sequence[Event]:
        return _filtered(_Read(read_whole(body, _names(conversation))), conversation, endpoint).feed(b"")


class _Read:
    """An answer that is here already, as a decoder."""

    def __init__(self, events: Sequence[Event]) -> None:
        self._events = events

    def feed(self, frames: bytes) -> Sequence[Event]:
        del frames
        return self._events

    def end(self) -> Sequence[Event]:
        return ()


def _names(conversation: Conversation) -> dict[str, str]:
    return dict(client_names(tool.name for tool in conversation.tools))


def _filtered(decoder: Decoder, conversation: Conversation, endpoint: Endpoint) -> Decoder:
    quirks = quirks_of(endpoint)
    if quirks.think_tags:
        decoder = ThinkTags(decoder)
    stops = surplus_stops(conversation, quirks)
    return StopAt(decoder, stops) if stops else decoder
