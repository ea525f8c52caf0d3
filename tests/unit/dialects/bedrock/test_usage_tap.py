"""Bytes of Bedrock that pass: progress, usage, and failures are read."""

from __future__ import annotations

import json

import pytest

from octoroute.dialects.bedrock.usage_tap import ConverseUsageTap
from octoroute.errors import BadUpstreamResponse
from tests.support.event_streams import exception, text_stream


def test_a_stream_is_followed_to_its_end():
    tap = ConverseUsageTap()
    *most, last = text_stream("one ", "two")
    tap.feed(b"".join(most))
    assert (tap.progress.started, tap.progress.finished, tap.progress.output_chars) == (True, False, 7)
    tap.feed(last)
    assert tap.progress.finished
    assert tap.progress.usage is not None
    assert (tap.progress.usage.input_tokens, tap.progress.usage.output_tokens) == (7, 3)


def test_an_exception_is_a_failure():
    tap = ConverseUsageTap()
    tap.feed(text_stream("one")[0] + exception("throttlingException", "slow down"))
    assert tap.progress.failure is not None
    assert tap.progress.failure.kind == "rate_limit_error"


def test_a_whole_body():
    tap = ConverseUsageTap()
    body = {"output": {"message": {"role": "assistant", "content": [{"text": "hello"}]}}, "stopReason": "end_turn"}
    tap.feed_body(json.dumps(body).encode())
    assert (tap.progress.finished, tap.progress.output_chars) == (True, 5)
    with pytest.raises(BadUpstreamResponse):
        ConverseUsageTap().feed_body(b"{}")
