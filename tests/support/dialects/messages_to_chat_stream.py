"""A Messages stream, read as the Chat Completions stream a client gets."""

from __future__ import annotations

from octoroute.dialects.anthropic.stream_decoder import AnthropicDecoder
from octoroute.dialects.openai.stream_encoder import OpenAIEncoder
from tests.support.chunks import anthropic, numbered, openai_message

START = anthropic("message_start", message={"id": "msg_1", "model": "claude", "usage": {"input_tokens": 25, "output_tokens": 1}})


STOP = anthropic("message_stop")


def delta(reason="end_turn", **usage):
    return anthropic("message_delta", delta={"stop_reason": reason, "stop_sequence": None}, usage={"output_tokens": 9, **usage})


def block(index, start, *deltas):
    return b"".join(
        [
            anthropic("content_block_start", index=index, content_block=start),
            *(anthropic("content_block_delta", index=index, delta=one) for one in deltas),
            anthropic("content_block_stop", index=index),
        ]
    )


def text(index, *parts):
    return block(index, {"type": "text", "text": ""}, *({"type": "text_delta", "text": part} for part in parts))


def call(index, id, name, *parts, **start):
    head = {"type": "tool_use", "id": id, "name": name, "input": {}, **start}
    return block(index, head, *({"type": "input_json_delta", "partial_json": part} for part in parts))


def raw_of(*frames, **how):
    decoder, encoder = AnthropicDecoder(), OpenAIEncoder(model="auto", created_s=7, new_id=numbered(), **how)
    return b"".join(encoder.encode(decoder.feed(frame)) for frame in frames) + encoder.encode(decoder.end())


def translate(*frames, **how):
    return openai_message(raw_of(*frames, **how))
