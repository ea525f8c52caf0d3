"""Progress, usage, and errors of an Anthropic response that is passed through."""

from __future__ import annotations

import pytest

from octoroute.dialects.anthropic.usage_tap import AnthropicUsageTap
from octoroute.domain.events import FinishReason
from octoroute.errors import BadUpstreamResponse
from tests.support.chunks import anthropic

STREAM = (
    anthropic("message_start", message={"usage": {"input_tokens": 5, "cache_read_input_tokens": 10, "output_tokens": 1}})
    + anthropic("ping")
    + anthropic("content_block_delta", index=0, delta={"type": "text_delta", "text": "Hello"})
    + anthropic("message_delta", delta={"stop_reason": "max_tokens"}, usage={"output_tokens": 20})
)


def test_p42_the_tap_reads_along():
    tap = AnthropicUsageTap()
    tap.feed(anthropic("ping"))
    assert not tap.progress.started
    tap.feed(STREAM)
    assert tap.progress.started and not tap.progress.finished
    tap.feed(anthropic("message_stop"))
    progress = tap.progress
    assert (progress.finished, progress.reason, progress.output_chars) == (True, FinishReason.LENGTH, 5)
    assert (progress.usage.input_tokens, progress.usage.cached_tokens, progress.usage.output_tokens) == (15, 10, 20)


def test_p22_the_tap_sees_an_error_event():
    tap = AnthropicUsageTap()
    tap.feed(anthropic("error", error={"type": "overloaded_error", "message": "Overloaded"}))
    assert tap.progress.failure.kind == "overloaded_error" and not tap.progress.finished


def test_the_tap_reads_whole_answers():
    tap = AnthropicUsageTap()
    tap.feed_body(
        b'{"type":"message","content":[{"type":"text","text":"Hi"}],"stop_reason":"end_turn","usage":{"input_tokens":3,"output_tokens":2}}'
    )
    assert tap.progress.finished and tap.progress.usage.output_tokens == 2
    for nonsense in (b"<html>", b"{}", b"[]"):
        with pytest.raises(BadUpstreamResponse):
            AnthropicUsageTap().feed_body(nonsense)
    with pytest.raises(BadUpstreamResponse):
        AnthropicUsageTap().feed(b"data: <html>\n\n")
