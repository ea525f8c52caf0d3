"""Token counts of each provider."""

from __future__ import annotations

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
