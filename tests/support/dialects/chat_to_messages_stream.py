"""A Chat Completions stream, read as the Messages stream a client gets."""

from __future__ import annotations

from octoroute.dialects.anthropic.stream_encoder import AnthropicEncoder
from octoroute.dialects.openai.stream_decoder import OpenAIDecoder
from tests.support.anthropic_stream import check
from tests.support.chunks import numbered


def translate(*frames: bytes, show_thinking: bool = True, names=None, complete: bool = True, input_tokens: int = 0):
    decoder = OpenAIDecoder(names)
    encoder = AnthropicEncoder(model="auto", input_tokens=input_tokens, show_thinking=show_thinking, new_id=numbered())
    raw = b"".join(encoder.encode(decoder.feed(frame)) for frame in frames) + encoder.encode(decoder.end())
    return check(raw, complete=complete)
