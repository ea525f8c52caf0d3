"""Token counts of each provider."""

from __future__ import annotations

import json

import msgspec
import pytest

from octoroute.dialects.response.usage import GeminiUsage, OpenAIUsage, to_anthropic, to_openai, to_responses
from octoroute.domain.outcome import Usage
from tests.support.chunks import DONE, chunk, usage
from tests.support.dialects.chat_to_messages_stream import translate


def test_p94_cached_tokens_are_taken_from_the_input():
    message = translate(chunk(content="x"), chunk("stop"), usage(1000, 1, prompt_tokens_details={"cached_tokens": 400}), DONE)
    assert (message["usage"]["input_tokens"], message["usage"]["cache_read_input_tokens"]) == (600, 400)
    more = translate(chunk(content="x"), chunk("stop"), usage(10, 1, prompt_tokens_details={"cached_tokens": 400}), DONE)
    assert more["usage"]["input_tokens"] == 0


def test_p94_deepseeks_name_for_cached_tokens():
    message = translate(chunk(content="x"), chunk("stop"), usage(1000, 1, prompt_cache_hit_tokens=400), DONE)
    assert message["usage"]["cache_read_input_tokens"] == 400


@pytest.mark.parametrize(
    ("reported", "wanted"),
    [
        (  # xAI: reasoning is not among the completion tokens
            {
                "prompt_tokens": 10,
                "completion_tokens": 5,
                "total_tokens": 45,
                "completion_tokens_details": {"reasoning_tokens": 30},
            },
            Usage(input_tokens=10, output_tokens=35, reasoning_tokens=30),
        ),
        (  # Gemini's compatible API: only the total knows of it
            {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 45},
            Usage(input_tokens=10, output_tokens=35, reasoning_tokens=30),
        ),
        (  # OpenAI: it is
            {
                "prompt_tokens": 10,
                "completion_tokens": 35,
                "total_tokens": 45,
                "completion_tokens_details": {"reasoning_tokens": 30},
            },
            Usage(input_tokens=10, output_tokens=35, reasoning_tokens=30),
        ),
        ({"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 3}, Usage(input_tokens=10, output_tokens=5)),
        (
            {"prompt_tokens": 10, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 3, "cache_write_tokens": 4}},
            Usage(input_tokens=10, output_tokens=5, cached_tokens=3, cache_write_tokens=4),
        ),
        (
            {"prompt_tokens": 10, "completion_tokens": 5, "prompt_tokens_details": {"cache_creation_input_tokens": 4}},
            Usage(input_tokens=10, output_tokens=5, cache_write_tokens=4),
        ),
        (
            {"prompt_tokens": 10, "completion_tokens": 5, "cache_read_input_tokens": 3, "cache_creation_input_tokens": 4},
            Usage(input_tokens=10, output_tokens=5, cached_tokens=3, cache_write_tokens=4),
        ),
    ],
)
def test_counts_of_compatible_servers(reported, wanted):
    assert msgspec.json.decode(json.dumps(reported), type=OpenAIUsage).usage() == wanted


def test_no_token_is_counted_twice_for_a_client():
    usage = Usage(input_tokens=100, output_tokens=50, cached_tokens=30, cache_write_tokens=20, reasoning_tokens=40)
    anthropic, openai, responses = to_anthropic(usage), to_openai(usage), to_responses(usage)
    parts = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
    assert [anthropic[name] for name in parts] == [50, 30, 20]
    assert openai["total_tokens"] == responses["total_tokens"] == 150


def test_audio_and_image_tokens_of_chat_completions_are_counted_apart():
    read = msgspec.json.decode(
        b'{"prompt_tokens":100,"completion_tokens":50,"prompt_tokens_details":{"audio_tokens":60,"image_tokens":10},'
        b'"completion_tokens_details":{"audio_tokens":30}}',
        type=OpenAIUsage,
    ).usage()
    assert (read.audio_input_tokens, read.image_input_tokens, read.audio_output_tokens) == (60, 10, 30)


def test_geminis_modalities_are_counted_apart_and_cached_audio_is_cached():
    read = msgspec.json.decode(
        b'{"promptTokenCount":100,"candidatesTokenCount":1300,"cachedContentTokenCount":20,'
        b'"promptTokensDetails":[{"modality":"TEXT","tokenCount":40},{"modality":"AUDIO","tokenCount":60}],'
        b'"cacheTokensDetails":[{"modality":"AUDIO","tokenCount":20}],'
        b'"candidatesTokensDetails":[{"modality":"IMAGE","tokenCount":1290}]}',
        type=GeminiUsage,
    ).usage()
    assert (read.audio_input_tokens, read.image_output_tokens) == (40, 1290)
