"""Golden wire bytes: the same answer from every upstream to every client, the same question to every endpoint.

`python -m tests.unit.dialects.test_golden` writes the files anew; look at the difference before believing it.
"""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from octoroute.dialects.anthropic import request_encoder as to_anthropic
from octoroute.dialects.anthropic.request_decoder import decode_request
from octoroute.dialects.anthropic.stream_decoder import AnthropicDecoder
from octoroute.dialects.anthropic.stream_encoder import AnthropicEncoder
from octoroute.dialects.gemini import request_encoder as to_gemini
from octoroute.dialects.gemini.stream_decoder import GeminiDecoder
from octoroute.dialects.openai import request_encoder as to_openai
from octoroute.dialects.openai.compat import merge_presets
from octoroute.dialects.openai.stream_decoder import OpenAIDecoder
from octoroute.dialects.openai.stream_encoder import OpenAIEncoder
from octoroute.dialects.responses import request_encoder as to_responses
from octoroute.dialects.responses.stream_decoder import ResponsesDecoder
from octoroute.dialects.responses.stream_encoder import ResponsesEncoder
from tests.support.chunks import numbered

GOLDEN = Path(__file__).parents[2] / "golden"

DECODERS = {
    "openai": OpenAIDecoder,
    "anthropic": AnthropicDecoder,
    "gemini": lambda: GeminiDecoder(new_id=numbered()),
    "responses": ResponsesDecoder,
}
ENCODERS = {
    "openai": lambda: OpenAIEncoder(model="auto", created_s=1_700_000_000, include_usage=True, new_id=numbered()),
    "anthropic": lambda: AnthropicEncoder(model="auto", input_tokens=99, new_id=numbered()),
    "responses": lambda: ResponsesEncoder(model="auto", created_s=1_700_000_000, echo={}, new_id=numbered()),
}
WRITERS = {
    "compatible": lambda question: to_openai.encode_request(question, model="m", quirks=merge_presets(), stream=True),
    "openai": lambda question: to_openai.encode_request(question, model="m", quirks=merge_presets("openai"), stream=True),
    "reasoning": lambda question: to_openai.encode_request(
        question, model="m", quirks=merge_presets("openai", "openai-reasoning"), stream=True
    ),
    "responses": lambda question: to_responses.encode_request(
        question, model="m", quirks=merge_presets("openai", "openai-reasoning"), stream=True
    ),
    "deepseek": lambda question: to_openai.encode_request(question, model="m", quirks=merge_presets("deepseek"), stream=True),
    "claude-sonnet-4-5": lambda question: to_anthropic.encode_request(question, model="claude-sonnet-4-5", stream=True),
    "gemini-1.5-pro": lambda question: to_gemini.encode_request(question, model="gemini-1.5-pro"),
    "gemini-3-pro": lambda question: to_gemini.encode_request(question, model="gemini-3-pro"),
}


def translated(source: str, target: str) -> bytes:
    decoder, encoder = DECODERS[source](), ENCODERS[target]()
    frames = (GOLDEN / "streams" / f"tools.{source}.sse").read_bytes()
    return encoder.encode(decoder.feed(frames)) + encoder.encode(decoder.end())


def written(target: str) -> bytes:
    question = decode_request((GOLDEN / "questions" / "agent.anthropic.json").read_bytes())
    return msgspec.json.format(WRITERS[target](question), indent=1) + b"\n"


def answer_file(source: str, target: str) -> Path:
    return GOLDEN / "streams" / f"tools.{source}-to-{target}.sse"


def question_file(target: str) -> Path:
    return GOLDEN / "questions" / f"agent.to-{target}.json"


@pytest.mark.parametrize("source", DECODERS)
@pytest.mark.parametrize("target", ENCODERS)
def test_an_answer(source, target):
    assert translated(source, target) == answer_file(source, target).read_bytes()


@pytest.mark.parametrize("target", WRITERS)
def test_a_question(target):
    assert written(target) == question_file(target).read_bytes()


if __name__ == "__main__":
    for source in DECODERS:
        for target in ENCODERS:
            answer_file(source, target).write_bytes(translated(source, target))
    for target in WRITERS:
        question_file(target).write_bytes(written(target))
